//! Outcomes to test reporters with; the figures are those of a LeNet-5 on 500 MNIST digits with a profile of 2,000.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Commands, Outcome, Status};
use crate::criteria::{Contribution, Direction, LayerFigures};
use crate::declare::{Comparison, NeuronKind, Origin, Source, TestIdentity};
use crate::gate::{
    BaselineStatus, BaselineVerdict, Change, Explanation, FigureChange, GoneInput, GoneInputs, NeuronChange,
    NeuronChanges, PartChange, RequirementVerdict,
};
use crate::importance::Picture;
use crate::measure::{CriterionResult, DataFacts, Measurement, ModelFacts, Seconds, Settings};
use crate::model::LayerInfo;
use crate::{Error, ErrorKind, Place};

const LAYERS: [(&str, &str, &str, &[usize]); 5] = [
    ("block1_relu", "ReLU", "relu", &[6, 28, 28]),
    ("block2_relu", "ReLU", "relu", &[16, 14, 14]),
    ("fc.fc1_relu", "ReLU", "relu", &[120]),
    ("fc.fc2_relu", "ReLU", "relu", &[84]),
    ("before_softmax", "Linear", "linear", &[10]),
];

fn layer(name: &str, class: &str, operator: &str, shape: &[usize]) -> LayerInfo {
    LayerInfo {
        name: name.into(),
        class: class.into(),
        operator: operator.into(),
        shape: shape.to_vec(),
        channel_axis: 0,
    }
}

fn ratio(name: &str, covered: u64, total: u64) -> LayerFigures {
    let value = (total > 0).then(|| covered as f64 / total as f64);
    LayerFigures { name: name.into(), value, covered: Some(covered), total: Some(total) }
}

fn ratios(layers: Vec<LayerFigures>) -> CriterionResult {
    let covered = layers.iter().filter_map(|layer| layer.covered).sum();
    let total = layers.iter().filter_map(|layer| layer.total).sum();
    let whole = ratio("", covered, total);
    CriterionResult {
        value: whole.value,
        covered: whole.covered,
        total: whole.total,
        layers,
        classes: BTreeMap::new(),
        contributions: Vec::new(),
        leading: Vec::new(),
        neurons: Vec::new(),
        ranked: None,
        per_input: Default::default(),
        pictures: Vec::new(),
        details: BTreeMap::new(),
        direction: Direction::HigherIsBetter,
    }
}

/// A result of which nothing is known but what inputs covered first.
pub(crate) fn covering(inputs: &[(u64, u64)]) -> CriterionResult {
    let contributions = inputs.iter().map(|&(input, covered)| Contribution { input, covered });
    CriterionResult { contributions: contributions.collect(), ..ratios(Vec::new()) }
}

fn of_layers(counts: [(u64, u64); 5]) -> CriterionResult {
    ratios(LAYERS.iter().zip(counts).map(|(layer, (covered, total))| ratio(layer.0, covered, total)).collect())
}

fn criteria() -> BTreeMap<String, CriterionResult> {
    let mut kmnc = of_layers([(2032, 6000), (5542, 16_000), (27_980, 117_000), (19_713, 81_000), (3197, 10_000)]);
    kmnc.details.insert("constant_neurons".into(), 6.into());
    kmnc.details
        .insert("constant".into(), serde_json::json!({"fc.fc1_relu": [3, 17, 90], "fc.fc2_relu": [11, 40, 77]}));
    let mut nbc = of_layers([(5, 12), (7, 32), (22, 240), (18, 168), (3, 20)]);
    nbc.direction = Direction::LowerIsBetter;
    let mut accuracy = ratios(Vec::new());
    (accuracy.value, accuracy.covered, accuracy.total) = (Some(492.0 / 500.0), Some(492), Some(500));
    let counts = |values: [f64; 5]| {
        LAYERS.iter().zip(values).map(|(layer, value)| LayerFigures {
            name: layer.0.into(),
            value: Some(value),
            covered: None,
            total: None,
        })
    };
    let tknp = CriterionResult {
        value: Some(411.0),
        covered: None,
        total: None,
        layers: counts([1.0, 8.0, 116.0, 103.0, 30.0]).collect(),
        ..ratios(Vec::new())
    };
    BTreeMap::from([
        ("nc".into(), of_layers([(0, 6), (0, 16), (79, 120), (54, 84), (10, 10)])),
        ("kmnc(k=1000)".into(), kmnc),
        ("nbc".into(), nbc),
        ("accuracy".into(), accuracy),
        ("tknp".into(), tknp),
    ])
}

/// A measurement of `nc`, `kmnc(k=1000)`, `nbc`, `accuracy` and `tknp`.
pub(crate) fn measurement() -> Measurement {
    Measurement {
        schema: 1,
        model: ModelFacts {
            path: "models/lenet5.pt".into(),
            sha256: "88dd9dd5f13442504044392fda17634127b38337b37255b27730926deb373664".into(),
            format: "torchscript".into(),
            parameters: 61_706,
            layers: LAYERS.iter().map(|(name, class, operator, shape)| layer(name, class, operator, shape)).collect(),
        },
        data: DataFacts {
            path: "data/test#0..500".into(),
            inputs: 500,
            skipped: 0,
            shape: vec![1, 28, 28],
            profile: Some("data/train#0..2000".into()),
            profile_inputs: Some(2000),
            profile_skipped: Some(0),
            augmented: Vec::new(),
            transform: "grayscale, resize = [28, 28], scale".into(),
        },
        settings: Settings {
            device: "cpu".into(),
            batch: 64,
            layers: "default".into(),
            neurons: NeuronKind::Channel,
            libtorch: "2.13.0".into(),
            cleanai: "0.1.0".into(),
            non_finite_skipped: 0,
            overridden: Vec::new(),
        },
        criteria: criteria(),
        report: None,
        against: None,
        seconds: Seconds { load: 0.041, decode: 0.012, profile: 0.62, forward: 0.118, criteria: 0.009, total: 0.8123 },
        names: Default::default(),
        cached: None,
    }
}

/// A verdict on a requirement, holding or not as the numbers say.
pub(crate) fn requirement(
    criterion: &str,
    comparison: Comparison,
    bound: f64,
    observed: Option<f64>,
    baseline: Option<f64>,
) -> RequirementVerdict {
    let holds = observed.is_some_and(|observed| match comparison {
        Comparison::AtLeast => observed >= bound,
        Comparison::Above => observed > bound,
        Comparison::AtMost => observed <= bound,
        Comparison::Below => observed < bound,
    });
    RequirementVerdict {
        requirement: format!("{criterion} {} {bound}", super::figure::sign(comparison)),
        criterion: criterion.into(),
        comparison,
        bound: Some(bound),
        bound_text: None,
        against: None,
        observed,
        baseline,
        holds,
        passing_bound: None,
        worst_layers: Vec::new(),
        worst_classes: Vec::new(),
        note: None,
        origin: Some(Origin {
            source: Source::Attribute,
            file: "tests/coverage.rs".into(),
            line: 8,
            column: 5,
            text: String::new(),
        }),
    }
}

fn change(criterion: &str, baseline: Option<f64>, observed: Option<f64>, change: Change) -> FigureChange {
    FigureChange { criterion: criterion.into(), baseline, observed, tolerance: 0.002, change, explanation: None }
}

/// All requirements hold, the baseline is unchanged; `nc` and `tknp` are measured without a requirement.
pub(crate) fn passed() -> Outcome {
    let measurement = measurement();
    let value = |name: &str| measurement.criteria[name].value;
    let requirements = vec![
        requirement("kmnc(k=1000)", Comparison::AtLeast, 0.25, value("kmnc(k=1000)"), Some(0.254)),
        requirement("nbc", Comparison::AtMost, 0.2, value("nbc"), value("nbc")),
        requirement("accuracy", Comparison::AtLeast, 0.98, value("accuracy"), value("accuracy")),
    ];
    let changes = vec![
        change("accuracy", value("accuracy"), value("accuracy"), Change::Unchanged),
        change("kmnc(k=1000)", Some(0.254), value("kmnc(k=1000)"), Change::Unchanged),
        change("nbc", value("nbc"), value("nbc"), Change::Unchanged),
        change("nc", value("nc"), value("nc"), Change::Unchanged),
        change("tknp", value("tknp"), value("tknp"), Change::Unchanged),
    ];
    Outcome {
        schema: 1,
        test: TestIdentity {
            name: "lenet5_digits".into(),
            package: "digits".into(),
            target: "coverage".into(),
            file: PathBuf::from("examples/digits/tests/coverage.rs"),
            line: 12,
        },
        status: Status::Passed,
        measurement: Some(measurement),
        requirements,
        baseline: BaselineVerdict {
            status: BaselineStatus::Unchanged,
            fails: false,
            file: Some(PathBuf::from("examples/digits/tests/snapshots/coverage__lenet5_digits.snap")),
            pending: None,
            changes,
            next: None,
        },
        body: None,
        error: None,
        commands: Some(Commands {
            rerun: "cargo test -p digits --test coverage -- --exact lenet5_digits".into(),
            accept: None,
        }),
        attempts: None,
        started: 1_795_317_247,
        seconds: 0.8345,
    }
}

/// Two thresholds fail, one upwards and one downwards.
pub(crate) fn threshold_failure() -> Outcome {
    let mut outcome = passed();
    outcome.test.name = "strict::lenet5_strict".into();
    outcome.test.line = 19;
    outcome.status = Status::Failed;
    outcome.baseline =
        BaselineVerdict { status: BaselineStatus::Disabled, file: None, changes: Vec::new(), ..outcome.baseline };
    let measurement = measurement();
    let worst =
        |name: &str, layers: [usize; 3]| layers.map(|layer| measurement.criteria[name].layers[layer].clone()).to_vec();
    let mut kmnc = requirement("kmnc(k=1000)", Comparison::AtLeast, 0.3, outcome.requirements[0].observed, None);
    (kmnc.passing_bound, kmnc.worst_layers) = (Some(0.254), worst("kmnc(k=1000)", [2, 3, 4]));
    let mut accuracy = outcome.requirements[2].clone();
    accuracy.baseline = None;
    outcome.requirements = vec![kmnc, accuracy];
    outcome
}

/// Thresholds hold, two figures fell and one rose.
pub(crate) fn regression() -> Outcome {
    let mut outcome = passed();
    outcome.test.name = "lenet5_regressed".into();
    outcome.test.line = 27;
    outcome.status = Status::Failed;
    let baseline = &mut outcome.baseline;
    (baseline.status, baseline.fails) = (BaselineStatus::Regressed, true);
    baseline.file = Some(PathBuf::from("examples/digits/tests/snapshots/coverage__lenet5_regressed.snap"));
    baseline.pending = Some(PathBuf::from("examples/digits/tests/snapshots/coverage__lenet5_regressed.snap.new"));
    baseline.next = Some("restore the coverage, or accept the new figures with `cargo insta review`".into());
    for (change, criterion, verdict) in [
        (0.988, "accuracy", Change::Regressed),
        (0.2785, "kmnc(k=1000)", Change::Regressed),
        (0.5551, "nc", Change::Improved),
    ] {
        let figure = baseline.changes.iter_mut().find(|figure| figure.criterion == criterion).unwrap();
        (figure.baseline, figure.change) = (Some(change), verdict);
    }
    for figure in baseline.changes.iter_mut().filter(|figure| figure.change == Change::Regressed) {
        figure.explanation = Some(if figure.criterion == "accuracy" { lost_answers() } else { lost_sections() });
    }
    outcome.requirements[0].baseline = Some(0.2785);
    outcome.requirements[2].baseline = Some(0.988);
    outcome.commands = Some(Commands {
        rerun: "cargo test -p digits --test coverage -- --exact lenet5_regressed".into(),
        accept: Some(
            "cargo insta accept --snapshot examples/digits/tests/snapshots/coverage__lenet5_regressed.snap".into(),
        ),
    });
    outcome
}

/// What lies behind a fall of `accuracy`: no neurons, and a baseline that tells of its classes alone.
fn lost_answers() -> Explanation {
    let classes = vec![PartChange {
        name: "3".into(),
        baseline: Some(0.98),
        observed: Some(0.94),
        baseline_covered: Some(49),
        covered: Some(47),
        total: Some(50),
        baseline_inputs: Some(50),
        inputs: Some(50),
    }];
    Explanation { classes, ..Explanation::default() }
}

/// What lies behind a fall of `kmnc`: two layers, a class whose inputs are gone, neurons and inputs.
fn lost_sections() -> Explanation {
    let layer = |name: &str, before: u64, now: u64, total: u64| PartChange {
        name: name.into(),
        baseline: Some(before as f64 / total as f64),
        observed: Some(now as f64 / total as f64),
        baseline_covered: Some(before),
        covered: Some(now),
        total: Some(total),
        ..PartChange::default()
    };
    let neuron = |layer: &str, neuron, baseline, observed, first: &str, gone| NeuronChange {
        layer: layer.into(),
        neuron,
        baseline,
        observed,
        first: Some(first.into()),
        gone,
    };
    let mut seven = layer("7", 21_204, 0, 230_000);
    (seven.observed, seven.baseline_inputs, seven.inputs) = (None, Some(50), Some(0));
    let mut three = layer("3", 20_000, 19_880, 230_000);
    (three.baseline_inputs, three.inputs) = (Some(50), Some(49));
    Explanation {
        layers: vec![layer("fc.fc1_relu", 31_420, 27_980, 117_000), layer("fc.fc2_relu", 21_866, 19_713, 81_000)],
        classes: vec![seven, three],
        lost: NeuronChanges {
            neurons: 118,
            items: 5_701,
            largest: vec![
                NeuronChange { first: None, gone: false, ..neuron("fc.fc1_relu", 17, 412, 96, "", false) },
                neuron("fc.fc1_relu", 90, 230, 0, "7/0144.png", true),
                neuron("fc.fc2_relu", 4, 301, 0, "1/0007.png", false),
            ],
        },
        gained: NeuronChanges {
            neurons: 3,
            items: 8,
            largest: vec![NeuronChange { first: None, ..neuron("block1_relu", 2, 300, 305, "", false) }],
        },
        gone: GoneInputs {
            inputs: 47,
            items: 5_512,
            largest: vec![
                GoneInput { name: "7/0031.png".into(), covered: 640 },
                GoneInput { name: "7/0144.png".into(), covered: 402 },
            ],
        },
        unknown: None,
    }
}

/// The first run on a developer's machine.
pub(crate) fn missing_local() -> Outcome {
    let mut outcome = passed();
    outcome.test.name = "lenet5_new".into();
    outcome.test.line = 33;
    outcome.status = Status::Failed;
    for verdict in &mut outcome.requirements {
        verdict.baseline = None;
    }
    for figure in &mut outcome.baseline.changes {
        (figure.baseline, figure.change) = (None, Change::Added);
    }
    let baseline = &mut outcome.baseline;
    (baseline.status, baseline.fails) = (BaselineStatus::Missing, true);
    baseline.file = Some(PathBuf::from("examples/digits/tests/snapshots/coverage__lenet5_new.snap"));
    baseline.pending = Some(PathBuf::from("examples/digits/tests/snapshots/coverage__lenet5_new.snap.new"));
    baseline.next = Some("accept it with `cargo insta review` and commit the snapshot".into());
    outcome
}

/// The first run in CI: nothing was written.
pub(crate) fn missing_ci() -> Outcome {
    let mut outcome = missing_local();
    outcome.baseline.pending = None;
    outcome.baseline.next =
        Some("run `cargo test` on your machine, then `cargo insta accept`, and commit the snapshot".into());
    outcome
}

/// The model is not there.
pub(crate) fn error() -> Outcome {
    let mut outcome = passed();
    outcome.test.name = "broken_model".into();
    outcome.test.line = 40;
    outcome.status = Status::Error;
    outcome.measurement = None;
    outcome.requirements.clear();
    outcome.baseline =
        BaselineVerdict { status: BaselineStatus::NotReached, file: None, changes: Vec::new(), ..outcome.baseline };
    outcome.seconds = 0.0021;
    let place = Place {
        file: PathBuf::from("examples/digits/cleanai.toml"),
        line: 3,
        column: 8,
        snippet: "path = \"models/lenet6.pt\"\n       ^^^^^^^^^^^^^^^^^^".into(),
    };
    let error = Error::new(ErrorKind::Model, "models/lenet6.pt does not exist").at(place);
    outcome.error = Some(error.with_help("models/lenet5.pt is there; did you mean it?"));
    outcome
}

/// Everything a test can trip over but an error, with long names, skipped inputs and nothing to cover.
pub(crate) fn everything_fails() -> Outcome {
    let mut outcome = regression();
    outcome.test.name = "strict::nested::everything_fails_for_this_model".into();
    outcome.test.line = 51;
    outcome.seconds = 83.2;
    let long = "kmnc(k=1000,layers=[\"encoder.layers.*.self_attention.output_projection\",\"class:ReLU\"])";
    let worst = vec![
        ratio("encoder.layers.11.self_attention.output_projection.activation_function/gelu#2", 12, 32_000),
        ratio("encoder.layers.3.relu", 0, 0),
    ];
    let measurement = outcome.measurement.as_mut().unwrap();
    measurement.data.skipped = 3;
    measurement.settings.non_finite_skipped = 1;
    measurement.settings.layers = "encoder.*".into();
    measurement.criteria.insert(long.into(), ratios(worst.clone()));
    let mut verdict = requirement(long, Comparison::AtLeast, 0.25, measurement.criteria[long].value, None);
    (verdict.passing_bound, verdict.worst_layers) = (Some(0.0003), worst);
    outcome.requirements.push(verdict);
    let mut empty = requirement("snac", Comparison::Above, 0.0, None, Some(0.1));
    empty.note = Some("nothing to cover: every neuron of the selected layers is constant over the profile".into());
    outcome.requirements.push(empty);
    outcome.body = Some("block1_relu is nearly untested\n\tonly 2,032 of 6,000 sections".into());
    outcome
}

/// A measurement with as many layers as a ResNet-152 has convolutions and activations.
pub(crate) fn deep(layers: usize) -> Outcome {
    let mut outcome = passed();
    outcome.test.name = "resnet152".into();
    outcome.test.line = 60;
    let measurement = outcome.measurement.as_mut().unwrap();
    measurement.model.path = "models/resnet152.pt2".into();
    measurement.model.format = "torch.export".into();
    measurement.model.parameters = 60_192_808;
    measurement.model.layers = (0..layers)
        .map(|index| layer(&format!("layer{}.{}.relu", index / 40 + 1, index % 40), "ReLU", "relu", &[256, 14, 14]))
        .collect();
    let names: Vec<String> = measurement.model.layers.iter().map(|layer| layer.name.clone()).collect();
    for (name, total) in [("kmnc(k=1000)", 256_000), ("nc", 256), ("nbc", 512)] {
        let layers = names
            .iter()
            .enumerate()
            .map(|(index, name)| ratio(name, total * (index as u64 % 11) / 13, total))
            .collect();
        measurement.criteria.insert(name.into(), ratios(layers));
    }
    outcome
}

/// A passed test that requires `idc` too, with its neurons, combinations and heat maps.
pub(crate) fn important() -> Outcome {
    let neuron = |neuron: u64, share: f64, clusters: u64| {
        let scale = 1.0 + neuron as f64 / 40.0;
        let counts: Vec<u64> =
            (0..24).map(|bin| [410, 120, 33, 4, 0, 9, 60, 85][bin % 8] * (24 - bin as u64) / 24).collect();
        let centroids: Vec<f64> = (0..clusters).map(|at| at as f64 * 1.7 * scale).collect();
        serde_json::json!({
            "neuron": neuron, "relevance": share * 31.4, "share": share.abs(), "centroids": centroids,
            "sizes": (0..clusters).map(|at| 1_204 / (at + 1)).collect::<Vec<_>>(),
            "bounds": centroids.windows(2).map(|pair| pair[0].midpoint(pair[1])).collect::<Vec<_>>(),
            "silhouette": 0.9 - share, "histogram": { "low": 0.0, "high": 1.7 * scale * clusters as f64, "counts": counts },
        })
    };
    let neurons = [(38, 0.142, 2), (9, 0.118, 3), (61, 0.094, 4), (17, 0.071, 2), (4, 0.052, 3), (80, -0.049, 2)];
    let layer = serde_json::json!({
        "neurons": neurons.map(|(at, share, clusters)| neuron(at, share, clusters)),
        "covered": 97, "reachable": 131, "reachable_covered": 88, "uncovered": 191, "combinations": 288,
        "wanted": [
            { "clusters": [1, 0, 2, 1, 0, 1], "profile_inputs": 37 }, { "clusters": [0, 2, 3, 0, 1, 0], "profile_inputs": 12 },
            { "clusters": [1, 1, 0, 0, 2, 1], "profile_inputs": 1 },
        ],
        "inputs": 1_968, "amplification": 3.2,
    });
    let picture = |name: &str, class: &str, wave: f64| {
        let at = |pixel: usize| ((pixel % 28) as f64 - 14.0, (pixel / 28) as f64 - 14.0);
        let ring = |pixel: usize| (-(at(pixel).0.hypot(at(pixel).1) - 8.0).powi(2) / 6.0).exp();
        let input: Vec<f32> = (0..784).map(|pixel| ring(pixel) as f32).collect();
        let relevance: Vec<f64> = (0..784).map(|pixel| ring(pixel) * (at(pixel).0 * wave).sin()).collect();
        Picture::of(name, Some(class), &input, &relevance, &[1, 28, 28]).unwrap().unwrap()
    };
    let mut idc = ratios(vec![ratio("fc.fc2_relu", 97, 288)]);
    idc.details = [
        ("importance".to_owned(), serde_json::json!({ "fc.fc2_relu": layer })),
        ("skipped_inputs".to_owned(), 0.into()),
    ]
    .into();
    idc.contributions =
        [(0, 1), (1, 1), (4, 1)].map(|(input, covered)| crate::criteria::Contribution { input, covered }).to_vec();
    idc.pictures = vec![
        picture("0/0030.png", "0", 0.2),
        picture("0/0036.png", "zero", 0.5),
        picture("a/very/long/path/of/folders/to/0049.png", "0", 0.9),
    ];
    let mut outcome = passed();
    outcome.test.name = "lenet5_important".into();
    outcome.test.line = 70;
    outcome.requirements.push(requirement("idc(m=6)", Comparison::AtLeast, 0.3, idc.value, None));
    outcome.measurement.as_mut().unwrap().criteria.insert("idc(m=6)".into(), idc);
    outcome
}

/// A test of surprise, of two classes and one that the profile has not.
pub(crate) fn surprising() -> Outcome {
    let scores = crate::criteria::PerInput {
        inputs: (0..30).collect(),
        columns: vec![(
            "dsa".into(),
            (0..30).map(|at| if at == 29 { f64::INFINITY } else { f64::from(at) / 16.0 }).collect(),
        )],
    };
    let mut dsc = ratios(vec![ratio("fc.fc2_relu", 273, 1000)]);
    dsc.details = [
        (
            "predicted_classes".to_owned(),
            serde_json::json!({
                "0": { "inputs": 1_204, "profile_inputs": 5_923, "mean": 0.5, "covered": 211 },
                "3": { "inputs": 2, "profile_inputs": 0, "mean": null, "covered": 0 },
                "10": { "inputs": 800, "profile_inputs": 6_001, "mean": 0.25, "covered": 62, "shrinkage": 1e-8 },
            }),
        ),
        ("outside_above".to_owned(), 17.into()),
    ]
    .into();
    dsc.ranked = crate::measure::Ranked::of(&scores, |input| format!("digits/{input:04}.png"));
    dsc.per_input = scores;
    let mut outcome = passed();
    outcome.test.name = "lenet5_surprising".into();
    outcome.requirements.push(requirement("dsc", Comparison::AtLeast, 0.2, dsc.value, None));
    outcome.measurement.as_mut().unwrap().criteria.insert("dsc".into(), dsc);
    outcome
}

/// One of each.
pub(crate) fn all() -> Vec<Outcome> {
    vec![passed(), threshold_failure(), regression(), missing_local(), error(), everything_fails()]
}

/// A passed test that requires `ece` too: the bins of a LeNet-5 on 500 MNIST digits.
pub(crate) fn calibrated() -> Outcome {
    let bins = [
        (0.0, 0.2, 0, None),
        (0.2, 0.4, 0, None),
        (0.4, 0.6, 4, Some((0.5, 0.506_873))),
        (0.6, 0.8, 9, Some((5.0 / 9.0, 0.697_849))),
        (0.8, 0.9, 6, Some((2.0 / 3.0, 0.845_671))),
        (0.9, 1.0, 481, Some((1.0, 0.996_205))),
    ];
    let listed = bins.map(|(lower, upper, inputs, found)| {
        let (accuracy, confidence) = found.unzip();
        serde_json::json!({
            "lower": lower, "upper": upper, "inputs": inputs, "accuracy": accuracy, "mean_confidence": confidence,
        })
    });
    let mut ece = ratios(Vec::new());
    (ece.value, ece.covered, ece.total, ece.direction) = (Some(0.008_415), None, None, Direction::LowerIsBetter);
    ece.details = bins
        .iter()
        .enumerate()
        .map(|(at, (.., found))| (format!("bin_{}", at + 1), found.map(|found| found.0).into()))
        .chain([("bins".to_owned(), listed.to_vec().into()), ("without_confidence".to_owned(), 0.into())])
        .collect();
    let mut outcome = passed();
    outcome.test.name = "lenet5_calibrated".into();
    outcome.test.line = 80;
    if let Some(measurement) = &mut outcome.measurement {
        measurement.criteria.insert("ece".into(), ece);
    }
    outcome
}
