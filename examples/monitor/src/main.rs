//! `cargo run -p monitored-service -- MODEL SIGNATURE DATA [TRANSFORM]`: sends every input of a data set to the service, once as it is and once with black and
//! white exchanged, and prints how many of both are accepted, and why single ones are not.

use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::channel;

use cleanai_harness::Result;
use cleanai_harness::monitor::{Decision, Monitor};
use monitored_service::{Request, inputs, serve};
use tch::Tensor;

/// That of the digits.
const TRANSFORM: &str = "[\"grayscale\", \"scale\", { normalize = { mean = [0.5], std = [0.5] } }]";

/// Refused inputs that are shown.
const SHOWN: usize = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [model, signature, data] => run(model, signature, data, TRANSFORM),
        [model, signature, data, transform] => run(model, signature, data, transform),
        _ => {
            eprintln!("usage: monitored-service MODEL SIGNATURE DATA [TRANSFORM]");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(model: &str, signature: &str, data: &str, transform: &str) -> Result<()> {
    let monitor = Monitor::load(Path::new(model), Path::new(signature))?;
    let known = inputs(data, transform)?;
    let inverted: Vec<(String, Tensor)> = known.iter().map(|(name, input)| (name.clone(), input.neg())).collect();
    for (what, inputs) in [("as they are", known), ("with black and white exchanged", inverted)] {
        let decisions = ask(&monitor, &inputs)?;
        let accepted = decisions.iter().filter(|decision| decision.accepted).count();
        println!("{} inputs {what}: {accepted} accepted", inputs.len());
        let refused = inputs.iter().zip(&decisions).filter(|(_, decision)| !decision.accepted);
        for ((name, _), decision) in refused.take(SHOWN) {
            let layers: Vec<String> =
                decision.worst_layers.iter().map(|own| format!("{} {:.0} %", own.layer, own.share * 100.0)).collect();
            println!(
                "  {name}: class {} with confidence {:.3}, eta {} ({})",
                decision.class,
                decision.confidence,
                decision.eta,
                layers.join(", ")
            );
        }
    }
    Ok(())
}

/// Sends inputs from a thread beside the service and waits for all answers.
fn ask(monitor: &Monitor, inputs: &[(String, Tensor)]) -> Result<Vec<Decision>> {
    let (sender, requests) = channel();
    let mut answers = Vec::new();
    for (_, input) in inputs {
        let (answer, waiting) = channel();
        // The queue holds as many as there are: nobody waits for a place in it.
        _ = sender.send(Request { input: input.shallow_clone(), answer });
        answers.push(waiting);
    }
    drop(sender);
    std::thread::scope(|scope| scope.spawn(|| serve(monitor, requests)).join()).ok();
    answers.into_iter().filter_map(|answer| answer.recv().ok()).collect()
}
