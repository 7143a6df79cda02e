//! What the fuzz targets share: a model file is opened and run, and the mutations that get past the archive around it.

mod mutate;

use std::io::Write;
use std::sync::Once;

use cleanai_harness::declare::DeviceChoice;
use cleanai_harness::model::Model;
pub use mutate::mutate;
use tch::{Device, Kind, Tensor};

/// The most address space: an operator that asks for more gets an exception, as on a machine that is out of memory.
const MOST_MEMORY: libc::rlim_t = 8 << 30;

/// The inputs of the networks in `fixtures/models`.
const SHAPES: &[&[i64]] = &[&[2, 8], &[2, 3], &[2, 1, 28, 28], &[2, 3, 16, 16], &[2, 3, 6, 6], &[2, 2, 8, 8]];

/// Opens the bytes as a model file and runs what opens on zeros. Errors are fine; crashes, hangs and panics are not.
pub fn open_and_run(bytes: &[u8], ending: &str) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let limit = libc::rlimit { rlim_cur: MOST_MEMORY, rlim_max: MOST_MEMORY };
        // SAFETY: the pointer is valid for the call.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0, "the memory cannot be limited");
        tch::set_num_threads(1);
    });
    let mut file = tempfile::Builder::new().suffix(ending).tempfile().expect("a temporary file can be made");
    file.write_all(bytes).expect("a temporary file can be written");
    let Ok(mut model) = Model::open(file.path(), DeviceChoice::Cpu) else { return };
    model.activation_modules();
    let stored = model.graph().input_shape.clone().map(|shape| {
        let rows = model.graph().fixed_batch.unwrap_or(2);
        std::iter::once(rows).chain(shape).map(|size| size as i64).collect::<Vec<_>>()
    });
    // What a file says of its inputs is bounded before memory is taken for them.
    let small =
        |shape: &[i64]| shape.iter().try_fold(1i64, |n, size| n.checked_mul(*size)).is_some_and(|n| n < 1 << 16);
    let shapes: Vec<Vec<i64>> = match stored {
        Some(shape) => Vec::from_iter(Some(shape).filter(|shape| small(shape))),
        None => SHAPES.iter().map(|shape| shape.to_vec()).collect(),
    };
    for shape in shapes {
        let zeros = Tensor::zeros(shape.as_slice(), (Kind::Float, Device::Cpu));
        if model.calibrate(&[("x", &zeros)]).is_ok() {
            return;
        }
    }
}
