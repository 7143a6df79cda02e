//! A service that answers requests with a class and whether to trust it.
//!
//! The monitor comes from the command line, once for each model; `cargo run` then sends digits to the service:
//!
//! ```text
//! cd examples/digits
//! cargo cleanai monitor export --model models/lenet5.pt --profile data/train --out lenet5.monitor \
//!     --transform '["grayscale", "scale", { normalize = { mean = [0.5], std = [0.5] } }]'
//! cargo run -p monitored-service -- models/lenet5.pt lenet5.monitor data/test
//! ```

use std::sync::mpsc::{Receiver, Sender};

use cleanai_harness::data::{DataSet, transform};
use cleanai_harness::declare::{DataLocation, OnBadInput};
use cleanai_harness::monitor::{Decision, Monitor};
use cleanai_harness::{Error, ErrorKind, Result};
use tch::Tensor;

/// Requests that are judged in one forward pass.
pub const LARGEST_BATCH: usize = 16;

/// An input and where the answer goes.
pub struct Request {
    /// The input after the transform, without a batch axis.
    pub input: Tensor,
    /// Gets the decision, or why there is none.
    pub answer: Sender<Result<Decision>>,
}

/// Answers requests until nobody can send any more; those that wait together are judged together. Several threads may serve with one
/// monitor. Gives how many were answered.
pub fn serve(monitor: &Monitor, requests: Receiver<Request>) -> usize {
    let mut answered = 0;
    while let Ok(first) = requests.recv() {
        let waiting = requests.try_iter().take(LARGEST_BATCH - 1);
        let batch: Vec<Request> = std::iter::once(first).chain(waiting).collect();
        answered += batch.len();
        answer(monitor, batch);
    }
    answered
}

fn answer(monitor: &Monitor, batch: Vec<Request>) {
    let inputs: Vec<&Tensor> = batch.iter().map(|request| &request.input).collect();
    let stacked = Tensor::f_stack(&inputs, 0)
        .map_err(|why| Error::new(ErrorKind::Data, format!("requests of different shapes: {why}")));
    match stacked.and_then(|inputs| monitor.check_batch(&inputs)) {
        Ok(decisions) => {
            for (request, decision) in batch.into_iter().zip(decisions) {
                // Who no longer waits gets no answer.
                _ = request.answer.send(Ok(decision));
            }
        }
        // One bad request is no reason to leave the others without an answer.
        Err(_) if batch.len() > 1 => batch.into_iter().for_each(|request| answer(monitor, vec![request])),
        Err(error) => batch.into_iter().for_each(|request| _ = request.answer.send(Err(error.clone()))),
    }
}

/// The inputs of a data set with their names, prepared as a test prepares them; paths start at the current folder.
///
/// # Errors
/// If the data or the transform cannot be read.
pub fn inputs(data: &str, steps: &str) -> Result<Vec<(String, Tensor)>> {
    let location = DataLocation { path: data.to_owned(), root: std::path::PathBuf::new() };
    let set = DataSet::open(&location, &transform::parse(steps)?, OnBadInput::Fail)?;
    let size: Vec<i64> = set.shape().iter().map(|size| *size as i64).collect();
    let mut inputs = Vec::new();
    for batch in set.batches(1) {
        let batch = batch?;
        let tensor = Tensor::from_slice(&batch.fields[0].values.to_floats()).view(size.as_slice());
        inputs.push((set.names(batch.first), tensor));
    }
    Ok(inputs)
}
