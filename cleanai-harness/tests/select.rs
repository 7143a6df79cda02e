//! `select` and `measure --per-input` as a user runs them: what is chosen keeps the coverage that is promised, and can be measured again.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use cleanai_harness::criteria::registry::{CriterionDescription, CriterionRegistration, ValueKind};
use cleanai_harness::criteria::{
    BatchEnd, Criterion, Direction, Figures, LayerValues, Needs, OfInputs, PerInput, Start, State,
};
use cleanai_harness::declare::CriterionSpec;
use cleanai_harness::measure::{self, Measurement, Reached, Wanted, Why};
use cleanai_harness::report::inputs::Table;
use serde_json::Value;

mod common;

use common::{Case, declaration, json, real_data, root};

const DIGITS: Case<'static> = Case {
    model: "examples/digits/models/lenet5.pt",
    profile: Some("examples/digits/data/train"),
    test: "examples/digits/data/test",
    transform: "[\"grayscale\", \"scale\", { normalize = { mean = [0.5], std = [0.5] } }]",
};

/// Every criterion that counts what inputs cover.
const COVERING: &[&str] = &[
    "nc",
    "nac",
    "kmnc(k=1000)",
    "kmnc(k=10)",
    "nbc",
    "snac",
    "tknc",
    "tknp",
    "idc(m=6)",
    "nc(threshold=0.5, neurons=\"unit\")",
    "tknp(k=1)@relu1",
];

fn spec(text: &str) -> CriterionSpec {
    text.parse().unwrap()
}

fn covered(measurement: &Measurement, text: &str) -> f64 {
    let result = &measurement.criteria[&spec(text).to_string()];
    result.covered.map_or_else(|| result.value.unwrap(), |covered| covered as f64)
}

#[test]
fn what_is_selected_keeps_the_coverage_stated() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("selected.csv");
    let all = declaration(&root(), &DIGITS);
    let specs: Vec<CriterionSpec> = COVERING.iter().map(|text| spec(text)).collect();
    let whole = measure::once(&all, &specs).unwrap();
    for text in COVERING {
        let selection = measure::select(&all, &spec(text), Wanted::FewestForAll).unwrap();
        let Reached::All { all: items, at_least, factor, .. } = selection.reached else { panic!("{text}") };
        assert_eq!(items as f64, covered(&whole, text), "{text}");
        assert!((1..=selection.chosen.len()).contains(&at_least) && factor >= 1.0, "{text}");
        std::fs::write(&file, selection.manifest(&file).unwrap()).unwrap();
        let few = measure::once(&declaration(&root(), &Case { test: file.to_str().unwrap(), ..DIGITS }), &[spec(text)])
            .unwrap();
        assert_eq!(few.data.inputs, selection.chosen.len(), "{text}");
        assert_eq!(covered(&few, text), covered(&whole, text), "{text}: {} inputs", selection.chosen.len());
        eprintln!("{text}: {} of {} inputs, at least {at_least}", selection.chosen.len(), selection.inputs);

        // A part of it covers what is said of it, in the order of rank.
        let selection = measure::select(&all, &spec(text), Wanted::Count(3)).unwrap();
        let Reached::Most { covered: three, at_most, .. } = selection.reached else { panic!("{text}") };
        let adds: Vec<u64> =
            selection.chosen.iter().map(|chosen| if let Why::Adds(adds) = chosen.why { adds } else { 0 }).collect();
        assert!(adds.is_sorted_by(|one, next| one >= next) && adds.iter().sum::<u64>() == three && three <= at_most);
        std::fs::write(&file, selection.manifest(&file).unwrap()).unwrap();
        let few = measure::once(&declaration(&root(), &Case { test: file.to_str().unwrap(), ..DIGITS }), &[spec(text)])
            .unwrap();
        assert_eq!(covered(&few, text), three as f64, "{text}");
    }
}

/// Exit code, what was said, and what was complained of.
fn engine(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cleanai-engine"));
    let output = command.current_dir(root()).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn digits<'a>(command: &'a str, data: &'a str, arguments: &[&'a str]) -> (i32, String, String) {
    let profile = DIGITS.profile.unwrap();
    let own = [command, "--model", DIGITS.model, "--data", data, "--profile", profile, "--transform", DIGITS.transform];
    engine(&[&own[..], arguments].concat())
}

fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(|row| row.unwrap()).collect()
}

#[test]
fn the_command_writes_a_manifest_and_says_how_good_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (out, as_json) = (folder.path().join("new/few.csv"), folder.path().join("few.json"));
    let (out, as_json) = (out.to_str().unwrap(), as_json.to_str().unwrap());
    let (code, said, error) =
        digits("select", DIGITS.test, &["--by", "kmnc( k=10 )", "--minimize", "--out", out, "--json", as_json]);
    assert_eq!(code, 0, "{error}");
    let found = json(Path::new(as_json));
    let (number, all) = (found["chosen"].as_array().unwrap().len(), found["covered"]["all"].as_u64().unwrap());
    let inputs = found["of"].as_u64().unwrap();
    for line in [
        &format!("{number} of {inputs} inputs, ") as &str,
        &format!("cover all {all} items that all {inputs} cover (of {} there are", found["covered"]["total"]),
        &format!("written to {out}\n"),
        "Next: cargo cleanai measure --model examples/digits/models/lenet5.pt --data ",
        "--criterion 'kmnc( k=10 )'",
    ] {
        assert!(said.contains(line), "{line:?} is not in\n{said}");
    }
    let at_least = found["fewest"]["at_least"].as_u64().unwrap() as usize;
    assert!(at_least <= number);
    let bound = if at_least == number {
        "No fewer do.".to_owned()
    } else {
        format!("No subset of fewer than {at_least} does.")
    };
    assert!(said.contains(&bound), "{said}");

    let rows = rows(Path::new(out));
    assert_eq!(rows.len(), number);
    assert_eq!(rows[0].keys().collect::<Vec<_>>(), ["adds", "class", "input", "label", "rank"]);
    assert_eq!(rows.iter().map(|row| row["adds"].parse::<u64>().unwrap()).sum::<u64>(), all);
    assert_eq!(rows[1]["rank"], "2");
    assert!(rows[0]["input"].ends_with(found["chosen"][0]["name"].as_str().unwrap()), "{rows:?}");
    // The next command, as it is written, on the manifest that is not beside the data.
    let next = said.lines().find_map(|line| line.strip_prefix("Next: cargo cleanai ")).unwrap();
    let line = format!("'{}' {next}", env!("CARGO_BIN_EXE_cleanai-engine"));
    let output = Command::new("sh").args(["-c", &line]).current_dir(root()).output().unwrap();
    let measured = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && measured.contains(&format!("{all} / {}", found["covered"]["total"])),
        "{measured}"
    );

    let (code, said, error) = digits("select", DIGITS.test, &["--by", "nac", "--count", "100000", "--out", out]);
    assert_eq!(code, 0, "{error}");
    assert!(said.contains("That is all there is: further inputs would add nothing, so none are listed."), "{said}");
}

#[test]
fn what_is_wrong_is_said_once_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.csv");
    let (out, other) = (out.to_str().unwrap(), folder.path().join("out.txt"));
    let other = other.to_str().unwrap();
    let few = "examples/digits/data/test#..20";
    let covering = "`nc`, `nac`, `kmnc`, `nbc`, `snac`, `tknc`, `tknp`";
    for (command, arguments, expected) in [
        (
            "select",
            &["--by", "nlc", "--count", "3", "--out", out][..],
            "error: `nlc` says nothing of single inputs, so it cannot choose any\n  help: choose by one that does: ",
        ),
        (
            "select",
            &["--by", "kmcn", "--count", "3", "--out", out],
            "error: there is no criterion `kmcn`\n  help: did you mean `kmnc`?",
        ),
        (
            "select",
            &["--by", "nc", "--count", "3", "--out", other],
            "does not end in .csv, by which data tells a manifest\n  help: name it like selected.csv\n",
        ),
        (
            "select",
            &["--by", "nac(threshold=1e30)", "--minimize", "--out", out],
            "error: `nac(threshold=1e30)` chooses no input: there is nothing to list\n",
        ),
        (
            "measure",
            &["--criterion", "nc", "--per-input", other],
            "ends neither in .csv nor in .json\n  help: name it like inputs.csv\n",
        ),
        (
            "measure",
            &["--criterion", "nc", "--per-input", out],
            "error: `nc` gives no number for single inputs\n  help: ",
        ),
        (
            "measure",
            &["--criterion", "nc", "--criterion", "nlc", "--per-input", out],
            "error: `nc` and `nlc` give no numbers for single inputs\n  help: ",
        ),
    ] {
        let (code, said, error) = digits(command, few, arguments);
        assert_eq!(code, 2, "{said}{error}");
        assert!(error.contains(expected), "{expected:?} is not in\n{error}");
        assert!(!error.contains("says nothing") || error.contains(covering), "{error}");
        assert_eq!(error.matches("error").count(), 1, "{error}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A criterion of a user's own that gives every third input a number: the sum of its logits' magnitudes.
struct Loud(CriterionSpec);

#[derive(Default)]
struct Heard(PerInput);

impl Criterion for Loud {
    fn spec(&self) -> &CriterionSpec {
        &self.0
    }

    fn needs(&self) -> Needs {
        Needs { logits: true, ..Needs::default() }
    }

    fn of_inputs(&self) -> OfInputs {
        OfInputs::Scores
    }

    fn start(&self, _: Start<'_>) -> cleanai_harness::Result<Box<dyn State>> {
        Ok(Box::new(Heard(PerInput { inputs: Vec::new(), columns: vec![("loudness".to_owned(), Vec::new())] })))
    }
}

impl State for Heard {
    fn observe(&mut self, _: LayerValues<'_>) {}

    fn end_batch(&mut self, end: BatchEnd<'_>) -> cleanai_harness::Result<()> {
        for (input, logits) in
            (end.first..).zip(end.logits.chunks_exact(end.classes)).filter(|(input, _)| input % 3 == 0)
        {
            self.0.inputs.push(input as u64);
            let loudness = logits.iter().map(|logit| logit.abs()).sum();
            self.0.columns[0].1.push(match input {
                6 => f64::NAN,
                9 => f64::INFINITY,
                _ => loudness,
            });
        }
        Ok(())
    }

    fn merge(&mut self, _: Box<dyn State>) -> cleanai_harness::Result<()> {
        Ok(())
    }

    fn figures(&self) -> Figures {
        Figures { value: Some(1.0), per_input: self.0.clone(), ..Figures::default() }
    }

    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any> {
        self
    }
}

inventory::submit! {
    CriterionRegistration {
        description: CriterionDescription {
            name: "acme::loud",
            summary: "how loud logits are",
            parameters: &[],
            direction: Direction::HigherIsBetter,
            value: ValueKind::Number,
            reference: "ours",
        },
        build: |spec| Ok(Box::new(Loud(spec.clone()))),
    }
}

#[test]
fn the_inputs_with_the_largest_numbers_are_selected_and_told_of_each() {
    let folder = tempfile::tempdir().unwrap();
    let few = declaration(&root(), &Case { test: "examples/digits/data/test#..20", profile: None, ..DIGITS });
    let loud = spec("acme::loud");
    let (measurement, facts) = measure::with_inputs(&few, &[loud.clone(), spec("accuracy"), spec("nc")]).unwrap();
    assert_eq!(facts.len(), 20);
    let right = facts.iter().filter(|facts| facts.predicted == facts.label).count();
    assert_eq!(measurement.criteria["accuracy"].covered, Some(right as u64));
    let criteria = measurement.criteria.iter().map(|(text, result)| (text.as_str(), &result.per_input));
    let table = Table::new(&facts, criteria);
    let file = folder.path().join("inputs.csv");
    std::fs::write(&file, table.csv().unwrap()).unwrap();
    let rows = rows(&file);
    assert_eq!(rows[0].keys().collect::<Vec<_>>(), ["input", "label", "loudness", "name", "predicted"]);
    assert_eq!(
        (rows[9]["loudness"].as_str(), rows[6]["loudness"].as_str(), rows[1]["loudness"].as_str()),
        ("inf", "", "")
    );
    assert_eq!((rows[4]["name"].as_str(), rows[4]["label"].as_str()), (facts[4].name.as_str(), "0"));
    let parsed: Vec<BTreeMap<String, Value>> = serde_json::from_str(&table.json()).unwrap();
    assert_eq!((&parsed[9]["loudness"], &parsed[6]["loudness"]), (&"inf".into(), &Value::Null));
    assert_eq!(parsed[3]["loudness"].as_f64(), rows[3]["loudness"].parse().ok());

    let selection = measure::select(&few, &loud, Wanted::Count(3)).unwrap();
    let Reached::Scores { column, scored } = &selection.reached else { panic!() };
    assert_eq!((column.as_str(), *scored), ("loudness", 6));
    let score = |input: usize| rows[input]["loudness"].parse::<f64>().unwrap_or(f64::NEG_INFINITY);
    let mut order: Vec<usize> = (0..20).collect();
    order.sort_by(|one, other| score(*other).total_cmp(&score(*one)));
    let chosen: Vec<usize> = selection.chosen.iter().map(|chosen| chosen.input).collect();
    assert_eq!(chosen, order[..3]);
    let file = folder.path().join("loud.csv");
    std::fs::write(&file, selection.manifest(&file).unwrap()).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.starts_with("input,label,class,rank,score\n") && text.lines().nth(1).unwrap().ends_with(",1,inf"),
        "{text}"
    );
    assert_eq!(selection.json()["chosen"][0]["score"], "inf");
    let again = measure::once(
        &declaration(&root(), &Case { test: file.to_str().unwrap(), profile: None, ..DIGITS }),
        &[spec("accuracy")],
    )
    .unwrap();
    let right = selection.chosen.iter().filter(|chosen| chosen.facts.predicted == chosen.facts.label).count();
    assert_eq!((again.data.inputs, again.criteria["accuracy"].covered), (3, Some(right as u64)));
    assert_eq!(selection.misclassified.unwrap().chosen, 3 - right);

    let error = measure::select(&few, &loud, Wanted::FewestForAll).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`acme::loud` gives each input a number and none covers another's: there is no smallest subset to find\n  help: say how many inputs you \
         want, as in `--count 100`"
    );
    let error = measure::with_inputs(&few, &[spec("nc")]).unwrap_err();
    assert_eq!(error.what(), "`nc` gives no number for single inputs");
    assert!(
        error.help().unwrap().starts_with("measure one that does: ") && error.help().unwrap().contains("`acme::loud`")
    );
}

/// The figures of the task: how many of MNIST's 10,000 test digits keep the coverage of all.
#[test]
#[ignore = "takes minutes; run it by name"]
fn mnist() {
    let Some(data) = real_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("few.csv");
    let case = Case {
        model: "lenet/deepxplore_lenet5.traced.pt",
        profile: Some("mnist/train-images-idx3-ubyte.gz"),
        test: "mnist/t10k-images-idx3-ubyte.gz",
        transform: "[\"scale\"]",
    };
    let all = declaration(&data, &case);
    for text in ["nc", "nac", "kmnc(k=1000)", "nbc", "snac", "tknc", "tknp", "idc(m=6)"] {
        let started = std::time::Instant::now();
        let selection = measure::select(&all, &spec(text), Wanted::FewestForAll).unwrap();
        let Reached::All { all: items, total, at_least, factor } = selection.reached else { panic!("{text}") };
        std::fs::write(&file, selection.manifest(&file).unwrap()).unwrap();
        let seconds = started.elapsed().as_secs_f64();
        let few =
            measure::once(&declaration(&data, &Case { test: file.to_str().unwrap(), ..case }), &[spec(text)]).unwrap();
        assert_eq!(covered(&few, text), items as f64, "{text}");
        let number = selection.chosen.len();
        eprintln!(
            "{text}: {number} of {} keep {items} of {total:?}; at least {at_least}, H = {factor:.2}; {seconds:.1} s",
            selection.inputs
        );
    }
}
