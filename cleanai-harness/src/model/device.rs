//! Where a model runs.

use std::sync::OnceLock;

use crate::declare::DeviceChoice;
use crate::{Error, ErrorKind, Result};

/// The index of the GPU to use, or `None` for the CPU.
///
/// # Errors
/// If a GPU is asked for that libtorch does not see.
pub fn choose(choice: DeviceChoice) -> Result<Option<usize>> {
    match choice {
        DeviceChoice::Cpu => Ok(None),
        DeviceChoice::Auto => Ok(cuda_devices().ok().filter(|count| *count > 0).map(|_| 0)),
        DeviceChoice::Cuda(index) => {
            let count = cuda_devices().map_err(|why| {
                Error::new(ErrorKind::Configuration, format!("device cuda:{index} is asked for, but {why}"))
                    .with_help("set device = \"cpu\" or \"auto\"; `cargo cleanai doctor` says what libtorch sees")
            })?;
            if index >= count {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    format!("device cuda:{index} is asked for, libtorch sees {count} GPU(s)"),
                )
                .with_help("set device = \"cpu\" or \"auto\""));
            }
            Ok(Some(index))
        }
    }
}

/// How many GPUs libtorch can use, or why none.
fn cuda_devices() -> std::result::Result<usize, String> {
    static LOADED: OnceLock<std::result::Result<(), String>> = OnceLock::new();
    LOADED.get_or_init(load_cuda).clone()?;
    if !tch::Cuda::is_available() {
        return Err("libtorch finds no working CUDA driver or GPU".into());
    }
    usize::try_from(tch::Cuda::device_count()).map_err(|_| "libtorch counts its GPUs below zero".into())
}

/// The linker drops libtorch_cuda because no symbol of it is used directly; loading it registers its kernels.
#[cfg(target_os = "linux")]
fn load_cuda() -> std::result::Result<(), String> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: the library is libtorch's own, of the build that is linked; its initialisers only register kernels.
    let library = unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) };
    match library {
        Ok(library) => {
            // It must stay for as long as the process runs.
            std::mem::forget(library);
            Ok(())
        }
        Err(_) => Err("this libtorch has no libtorch_cuda (it is a CPU build)".into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn load_cuda() -> std::result::Result<(), String> {
    Err("this platform's libtorch has no CUDA".into())
}
