//! The C functions of `engine/engine.cpp`, made safe: errors become [`Error`], handles are owned, panics stay on this side.

mod gradient;
mod program;
mod values;

use std::ffi::{CStr, CString, c_char, c_int, c_void};

use torch_sys::C_tensor;

pub use self::gradient::{Role, Step, leads_to, sole_doubles, vector_jacobian};
pub use self::program::{Constant, Element, Parameter, Program};
use crate::{Error, ErrorKind, Result};

#[repr(C)]
struct RawProgram {
    _opaque: [u8; 0],
}

/// Takes a tensor that a call hands over, with its index; anything but 0 ends the call.
type Sink = extern "C" fn(context: *mut c_void, id: i64, tensor: *mut C_tensor) -> c_int;

unsafe extern "C" {
    fn cleanai_libtorch_version() -> *const c_char;
    fn cleanai_text_free(text: *mut c_char);
}

/// Takes the error text of a call; the first paragraph is what libtorch has to say, the rest is its own backtrace.
fn check(text: *mut c_char) -> Result<()> {
    if text.is_null() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Model, take(text).trim_end().to_owned()))
}

fn take(text: *mut c_char) -> String {
    // SAFETY: every text of engine.cpp is a NUL-terminated malloc'ed string that is ours to free, exactly once, here.
    unsafe {
        let owned = CStr::from_ptr(text).to_string_lossy().into_owned();
        cleanai_text_free(text);
        owned
    }
}

/// Version of the libtorch whose headers the C++ side was compiled with, `2.13.0`.
pub fn version() -> String {
    // SAFETY: a constant, NUL-terminated string.
    unsafe { CStr::from_ptr(cleanai_libtorch_version()) }.to_string_lossy().into_owned()
}

fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::new(ErrorKind::Model, format!("{text:?} has a NUL byte in it")))
}
