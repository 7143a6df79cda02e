//! What a model is fed, in the form that values.hpp reads.

use std::ffi::{CString, c_char};
use std::marker::PhantomData;
use std::ptr;

use tch::Tensor;
use torch_sys::C_tensor;

use super::c_string;
use crate::model::signature::Fed;
use crate::{Error, ErrorKind, Result};

/// One value of an argument, as values.hpp reads it: containers before what they hold.
#[repr(C)]
pub(super) struct Token {
    kind: i32,
    count: u32,
    tensor: *const C_tensor,
    key: *const c_char,
}

/// The arguments of a run.
pub(super) struct Tokens<'a> {
    tokens: Vec<Token>,
    /// The texts that tokens point to.
    keys: Vec<CString>,
    /// The tensors that they point to.
    tensors: PhantomData<&'a Tensor>,
}

impl<'a> Tokens<'a> {
    pub(super) fn of(arguments: &[Fed<&'a Tensor>]) -> Result<Self> {
        let mut all = Self { tokens: Vec::new(), keys: Vec::new(), tensors: PhantomData };
        arguments.iter().try_for_each(|argument| all.write(argument, ptr::null()))?;
        Ok(all)
    }

    /// Valid for [`Tokens::len`] tokens as long as these arguments live.
    pub(super) fn as_ptr(&self) -> *const Token {
        self.tokens.as_ptr()
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Flattens a value.
    fn write(&mut self, value: &Fed<&Tensor>, key: *const c_char) -> Result<()> {
        let (kind, count) = match value {
            Fed::Tensor(_) => (0, 0),
            Fed::None => (1, 0),
            Fed::Default => (2, 0),
            Fed::Structure(parts) => (3, parts.len()),
            Fed::List(parts) => (4, parts.len()),
            Fed::Dictionary(entries) => (5, entries.len()),
        };
        let tensor = if let Fed::Tensor(tensor) = value { tensor.as_ptr() } else { ptr::null() };
        let count = u32::try_from(count).map_err(|_| {
            Error::new(ErrorKind::Data, format!("{count} values in one input are more than can be fed"))
        })?;
        self.tokens.push(Token { kind, count, tensor, key });
        match value {
            Fed::Structure(parts) | Fed::List(parts) => parts.iter().try_for_each(|part| self.write(part, ptr::null())),
            Fed::Dictionary(entries) => entries.iter().try_for_each(|(name, part)| {
                let name = c_string(name)?;
                // The text lies on the heap: moving its owner into the keys does not move it.
                let key = name.as_ptr();
                self.keys.push(name);
                self.write(part, key)
            }),
            Fed::Tensor(_) | Fed::None | Fed::Default => Ok(()),
        }
    }
}
