//! The digits: a monitor is exported, loaded, and asked by several threads at once.

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;

use cleanai_harness::data::transform;
use cleanai_harness::declare::{
    BaselinePolicy, DataChoice, DataLocation, Declaration, DeviceChoice, ModelChoice, NeuronKind, NonFinite,
    OnBadInput, Selector, TestIdentity,
};
use cleanai_harness::measure;
use cleanai_harness::monitor::{Decision, Monitor};
use monitored_service::{LARGEST_BATCH, Request, inputs, serve};
use tch::Tensor;

const TRANSFORM: &str = "[\"grayscale\", \"scale\", { normalize = { mean = [0.5], std = [0.5] } }]";

fn digits() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../digits")
}

/// What `cargo cleanai monitor export` is asked for.
fn declaration() -> Declaration {
    let location = |path: &str| DataLocation { path: path.to_owned(), root: digits() };
    Declaration {
        test: TestIdentity {
            name: "monitor".into(),
            package: String::new(),
            target: String::new(),
            file: PathBuf::new(),
            line: 0,
        },
        model: ModelChoice::file("lenet5", digits().join("models/lenet5.pt"), DeviceChoice::Cpu),
        against: None,
        data: DataChoice {
            name: "digits".into(),
            profile: Some(location("data/train")),
            untrusted: None,
            test: location("data/test"),
            transform: transform::parse(TRANSFORM).unwrap(),
            on_bad_input: OnBadInput::Fail,
            augment: Vec::new(),
        },
        layers: Selector::Default,
        neurons: NeuronKind::Channel,
        batch: LARGEST_BATCH,
        non_finite: NonFinite::Error,
        requirements: Vec::new(),
        baseline: BaselinePolicy::default(),
        report: Vec::new(),
    }
}

/// Sends all inputs from several threads.
fn ask(monitor: &Monitor, inputs: &[Tensor]) -> Vec<Decision> {
    let (sender, requests) = channel();
    std::thread::scope(|scope| {
        let service = scope.spawn(move || serve(monitor, requests));
        // Tensors are sent to one thread each.
        let clients = inputs.chunks(inputs.len().div_ceil(4)).map(|part| {
            let (sender, part) = (sender.clone(), part.iter().map(Tensor::shallow_clone).collect::<Vec<_>>());
            scope.spawn(move || {
                let each = part.into_iter().map(|input| {
                    let (answer, waiting) = channel();
                    sender.send(Request { input, answer }).unwrap();
                    waiting.recv().unwrap().unwrap()
                });
                each.collect::<Vec<Decision>>()
            })
        });
        let clients: Vec<_> = clients.collect();
        let decisions: Vec<Decision> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        drop(sender);
        assert_eq!(service.join().unwrap(), inputs.len());
        decisions
    })
}

#[test]
fn known_digits_are_accepted_and_inverted_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let signature = folder.path().join("lenet5.monitor");
    let exported = measure::export_monitor(&declaration(), &"src".parse().unwrap()).unwrap();
    exported.file.write(&signature).unwrap();
    assert!(exported.trusted_acceptance_rate.unwrap() >= 0.97, "{:?}", exported.trusted_acceptance_rate);

    let monitor = Monitor::load(&digits().join("models/lenet5.pt"), &signature).unwrap();
    let all = inputs(digits().join("data/test").to_str().unwrap(), TRANSFORM).unwrap();
    let known: Vec<Tensor> = all.into_iter().map(|(_, input)| input).collect();
    let inverted: Vec<Tensor> = known.iter().map(|input| input.neg()).collect();
    let accepted = |decisions: &[Decision]| decisions.iter().filter(|decision| decision.accepted).count();
    let (of_known, of_inverted) = (ask(&monitor, &known), ask(&monitor, &inverted));
    eprintln!("accepted: {} of {} digits, {} inverted", accepted(&of_known), known.len(), accepted(&of_inverted));
    assert!(accepted(&of_known) * 10 >= known.len() * 9, "{} of {}", accepted(&of_known), known.len());
    assert!(accepted(&of_inverted) * 10 <= known.len(), "{} of {}", accepted(&of_inverted), known.len());
    for decision in of_known.iter().chain(&of_inverted) {
        assert_eq!(decision.accepted, decision.confidence >= 0.5, "{decision:?}");
        assert_eq!(decision.worst_layers.is_empty(), decision.eta == 0.0, "{decision:?}");
        assert!(decision.class < 10);
    }

    // An input of another shape is answered by an error, the others by decisions.
    let (sender, requests) = channel();
    let (answer, answers) = channel();
    let small = Tensor::zeros([1, 14, 14], (tch::Kind::Float, tch::Device::Cpu));
    for input in [known[0].shallow_clone(), small] {
        sender.send(Request { input, answer: answer.clone() }).unwrap();
    }
    drop((sender, answer));
    serve(&monitor, requests);
    assert_eq!(answers.recv().unwrap().unwrap(), monitor.check(&known[0]).unwrap());
    assert_eq!(
        answers.recv().unwrap().unwrap_err().to_string(),
        "x has the shape [1, 1, 14, 14], the monitor was made for a batch of [1, 28, 28]\n  \
         help: give inputs the transform that the monitor was exported with"
    );
}
