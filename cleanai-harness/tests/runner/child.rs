//! The binary under test: three tests whose figures, policy and body a scenario gives.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use cleanai_harness::config::{Config, Environment, ReportFile, ReportTable};
use cleanai_harness::criteria::{Contribution, CoveredNeurons, Direction, LayerFigures};
use cleanai_harness::declare::{
    BaselinePolicy, DataChoice, DataLocation, Declaration, DeviceChoice, ModelChoice, NeuronKind, NonFinite,
    OnBadInput, OnImprovement, Origin, Requirement, Selector, Source, TestIdentity,
};
use cleanai_harness::measure::{CriterionResult, DataFacts, Measurement, ModelFacts, Seconds, Settings};
use cleanai_harness::report::{Outcome, Status, file, fragment};
use cleanai_harness::runner::{self, Body, Parts, Reporters, Test};
use cleanai_harness::{Error, ErrorKind, Result, interrupt};

/// The variable that makes this binary the one under test.
pub const SCENARIO: &str = "RUNNER_TEST_SCENARIO";

/// What the tests of the binary see.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Scenario {
    /// The workspace.
    pub root: PathBuf,
    /// Values by criterion; `None` for nothing to cover.
    pub figures: BTreeMap<String, Option<f64>>,
    /// The criterion whose value is NaN.
    pub nan: Option<String>,
    /// `nc >= bound`
    pub at_least: f64,
    /// Further requirements, as text.
    pub require: Vec<String>,
    pub on_improvement: OnImprovement,
    pub no_baseline: bool,
    /// What the body does: `fail` or `panic`.
    pub body: String,
    /// What breaks: `configuration`, `declaration`, `measurement`, `measurement panic`, `report`, `interruption` of the second test.
    pub broken: String,
    pub device: String,
    /// Two tests of one name.
    pub twice: bool,
    /// Names of the test inputs, `0/a.png` to `3/d.png`; each covers two neurons of its own of two layers with four each.
    pub inputs: Vec<String>,
    /// Two tests with one baseline.
    pub one_baseline: bool,
    pub json: ReportSetting,
    /// Names of `[tests.NAME]` tables.
    pub tables: Vec<String>,
}

/// `[report] json`
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub enum ReportSetting {
    #[default]
    Default,
    At(PathBuf),
}

pub fn main(scenario: &str) -> ExitCode {
    let scenario: Arc<Scenario> = Arc::new(serde_json::from_str(scenario).expect("a scenario"));
    let mut tests =
        vec![test(&scenario, "deep::second", 20), test(&scenario, "slow", 30), test(&scenario, "lenet5", 10)];
    if scenario.twice {
        tests.push(test(&scenario, "lenet5", 40));
    }
    if scenario.one_baseline {
        tests.push(test(&scenario, "other::lenet5", 50));
    }
    let plan = Box::new(move |declarations: Vec<Declaration>| -> Arc<runner::Measure> {
        let names: Vec<_> = declarations.iter().map(|it| it.test.name.as_str()).collect();
        fs::write(scenario.root.join("planned"), names.join(" ")).expect("the workspace can be written");
        Arc::new(move |index| measure(&scenario, &declarations[index]))
    });
    runner::run(Parts { tests, configuration, plan, reporters: REPORTERS }, std::env::args_os())
}

fn test(scenario: &Arc<Scenario>, name: &'static str, line: u32) -> Test {
    let function = name.rsplit("::").next().expect("a name");
    let identity = TestIdentity {
        name: name.into(),
        package: "app".into(),
        target: "coverage".into(),
        file: file!().into(),
        line,
    };
    let (declared, wanted) = (identity.clone(), scenario.clone());
    let what = scenario.body.clone();
    let body: Option<Body> = (!what.is_empty()).then(|| -> Body {
        Box::new(move |measurement| match what.as_str() {
            "fail" => Err(format!("{} inputs are too few", measurement.data.inputs)),
            _ => panic!("the body panics"),
        })
    });
    Test {
        identity,
        function,
        module_path: module_path!(),
        file: file!(),
        package_dir: scenario.root.clone(),
        ignored: name == "slow",
        declare: Box::new(move |_| declare(&wanted, &declared)),
        body,
        assert_snapshot: |name, text| insta::assert_snapshot!(name, text),
    }
}

fn configuration(package_dir: &Path) -> Result<Config> {
    let scenario: Scenario = serde_json::from_str(&std::env::var(SCENARIO).expect("set")).expect("a scenario");
    if scenario.broken == "configuration" {
        return Err(Error::new(ErrorKind::Configuration, "unknown key `modles` in cleanai.toml").with_help("models"));
    }
    let json = match scenario.json {
        ReportSetting::Default => ReportFile::Default,
        ReportSetting::At(path) => ReportFile::At(path),
    };
    let report = ReportTable { json, ..Default::default() };
    let tests = scenario.tables.into_iter().map(|name| (name, Default::default())).collect();
    let environment = Environment::read(std::env::vars_os())?;
    Ok(Config { path: Some(package_dir.join("cleanai.toml")), report, tests, environment, ..Default::default() })
}

fn declare(scenario: &Scenario, test: &TestIdentity) -> Result<Declaration> {
    if scenario.broken == "declaration" && test.name == "lenet5" {
        return Err(Error::new(ErrorKind::Configuration, "no model `lenet6`").with_help("did you mean `lenet5`?"));
    }
    let origin = Origin {
        source: Source::Test,
        file: scenario.root.join("cleanai.toml"),
        line: 2,
        column: 12,
        text: format!("nc >= {}", scenario.at_least),
    };
    let first: Requirement = origin.text.parse()?;
    let mut requirements = vec![Requirement { origin: Some(origin), ..first }];
    for text in &scenario.require {
        requirements.push(text.parse()?);
    }
    Ok(Declaration {
        test: test.clone(),
        model: ModelChoice::file("lenet5", "lenet5.pt", DeviceChoice::Cpu),
        against: None,
        data: DataChoice {
            name: "digits".into(),
            profile: None,
            untrusted: None,
            test: DataLocation { path: "data/test".into(), root: scenario.root.clone() },
            transform: Vec::new(),
            on_bad_input: OnBadInput::Fail,
            augment: Vec::new(),
        },
        layers: Selector::Default,
        neurons: NeuronKind::Channel,
        batch: 64,
        non_finite: NonFinite::Error,
        requirements,
        baseline: BaselinePolicy {
            on_improvement: scenario.on_improvement,
            // The second test is about the runner, not the gate.
            enabled: !scenario.no_baseline && test.name != "deep::second",
            ..Default::default()
        },
        report: Vec::new(),
    })
}

/// Fills in what inputs of these names cover.
fn cover_neurons(nc: &mut CriterionResult, inputs: &[String]) {
    let class = |name: &String| name[..1].parse::<usize>().expect("a digit");
    let first = |neuron: usize| inputs.iter().position(|name| class(name) == neuron / 2).map(|input| input as u32);
    let layer = |layer: usize| {
        let first: Vec<Option<u32>> = (4 * layer..4 * layer + 4).map(first).collect();
        CoveredNeurons { covered: first.iter().map(|first| u32::from(first.is_some())).collect(), first }
    };
    nc.neurons = vec![layer(0), layer(1)];
    nc.layers = nc
        .neurons
        .iter()
        .zip(["relu1", "relu2"])
        .map(|(neurons, name)| {
            let covered = neurons.covered.iter().sum::<u32>();
            LayerFigures {
                name: name.into(),
                value: Some(f64::from(covered) / 4.0),
                covered: Some(covered.into()),
                total: Some(4),
            }
        })
        .collect();
    let own = |input| Contribution { input, covered: 2 };
    nc.contributions = (0..inputs.len() as u64).map(own).collect();
}

fn measure(scenario: &Scenario, declaration: &Declaration) -> Result<Measurement> {
    match scenario.broken.as_str() {
        "measurement" => return Err(Error::new(ErrorKind::Model, "lenet5.pt does not exist")),
        "measurement panic" => panic!("index out of bounds"),
        // As a pass does, which asks after every batch.
        "interruption" if declaration.test.name == "deep::second" => {
            fs::write(scenario.root.join("measuring"), "").expect("the workspace can be written");
            while interrupt::exit_code().is_none() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            return Err(Error::new(ErrorKind::Interrupted, "interrupted"));
        }
        _ => {}
    }
    let result = |name: &str, value: Option<f64>| CriterionResult {
        value: if scenario.nan.as_deref() == Some(name) { Some(f64::NAN) } else { value },
        covered: value.map(|value| (value * 1000.0).round() as u64),
        total: Some(1000),
        layers: Vec::new(),
        classes: Default::default(),
        contributions: Vec::new(),
        leading: Vec::new(),
        neurons: Vec::new(),
        ranked: None,
        per_input: Default::default(),
        pictures: Vec::new(),
        details: BTreeMap::new(),
        direction: if name == "nbc" { Direction::LowerIsBetter } else { Direction::HigherIsBetter },
    };
    let mut criteria: BTreeMap<String, CriterionResult> =
        scenario.figures.iter().map(|(name, value)| (name.clone(), result(name, *value))).collect();
    if let Some(nc) = criteria.get_mut("nc").filter(|_| !scenario.inputs.is_empty()) {
        cover_neurons(nc, &scenario.inputs);
    }
    Ok(Measurement {
        schema: 1,
        model: ModelFacts {
            path: declaration.model.name.clone(),
            sha256: "5d".repeat(32),
            format: "torchscript".into(),
            parameters: 61_706,
            layers: Vec::new(),
        },
        data: DataFacts {
            path: declaration.data.test.path.clone(),
            inputs: 360,
            skipped: 0,
            shape: vec![1, 28, 28],
            profile: None,
            profile_inputs: None,
            profile_skipped: None,
            augmented: Vec::new(),
            transform: "grayscale".into(),
        },
        settings: Settings {
            device: if scenario.device.is_empty() { "cpu".into() } else { scenario.device.clone() },
            batch: declaration.batch,
            layers: "default".into(),
            neurons: declaration.neurons,
            libtorch: "2.13.0".into(),
            cleanai: "0.1.0".into(),
            non_finite_skipped: 0,
            overridden: Vec::new(),
        },
        criteria,
        report: None,
        against: None,
        seconds: Seconds::default(),
        names: Arc::new(scenario.inputs.clone()),
        cached: None,
    })
}

const REPORTERS: Reporters = Reporters {
    render: |outcome| {
        let seconds = if outcome.seconds < 0.0 { "negative" } else { "" };
        let said =
            [outcome.body.clone(), outcome.error.as_ref().map(ToString::to_string), outcome.baseline.next.clone()];
        let said: Vec<_> = said.into_iter().flatten().collect();
        format!("\u{1b}[1mBLOCK {}\u{1b}[0m {:?} {seconds}\n{}\n", outcome.test.name, outcome.status, said.join("\n"))
    },
    summary: |outcomes, files| {
        let files: Vec<_> = files.iter().map(|(name, path)| format!("{name} {}", path.display())).collect();
        format!("SUMMARY {} tests\n{}\n", outcomes.len(), files.join("\n"))
    },
    pdf: None,
    junit: |outcomes, path, _| write(outcomes, path),
    json: |outcomes, path| {
        if std::env::var_os("RUNNER_TEST_BREAK_REPORT").is_some() {
            return Err(Error::io("write", path, "no space left"));
        }
        write(outcomes, path)
    },
    html: |outcomes, path| write(outcomes, path),
    markdown: |outcomes, files, limit| {
        let names: Vec<_> = outcomes.iter().map(|outcome| outcome.test.name.as_str()).collect();
        let files: Vec<_> = files.iter().map(|(name, _)| *name).collect();
        let limited = if limit < usize::MAX { "limited" } else { "whole" };
        format!("DIGEST of {}, {limited}, beside {}", names.join(" "), files.join(" "))
    },
    annotations: |outcomes, workspace| {
        let line = |outcome: &Outcome| format!("::error file={}::{}\n", workspace.display(), outcome.test.name);
        outcomes.iter().filter(|outcome| outcome.status != Status::Passed).map(line).collect()
    },
    write_fragment: fragment::write,
    read_fragments: fragment::read_all,
};

fn write(outcomes: &[Outcome], path: &Path) -> Result<()> {
    let text = serde_json::to_string_pretty(outcomes).expect("outcomes are JSON");
    file::write(path, text.as_bytes())
}
