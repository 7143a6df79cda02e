//! `cargo cleanai init` with the real engine: what it writes runs, and it makes the right guesses of models and data of many kinds.

use std::fs;

use functional_tests::{Project, workspace};

#[test]
fn a_new_package_reaches_its_first_gate() {
    let project = Project::bare("first-gate");
    let run = project.shell("cargo cleanai init --yes --model models/lenet5.pt").expect(0);
    let run = run.says("pixels as -1 to 1").says("Created tests/coverage.rs").says("cargo test --test coverage");
    run.says("data/test (600 inputs of 10 classes), with ranges from data/train (1197 inputs of 10 classes)");
    let configuration = fs::read_to_string(project.path("cleanai.toml")).expect("the configuration");
    assert!(!configuration.contains("CHECK"), "something is in doubt\n{configuration}");

    // The first run has no baseline; accepted, it passes, in CI too.
    project.shell("cargo test --quiet --test coverage").expect(101).says("cargo insta").says("accuracy").says("kmnc");
    project.shell("cargo insta accept").expect(0);
    project.shell("CI=true cargo test --quiet --test coverage").expect(0);
    project.shell("cargo cleanai init").expect(0).says("Unchanged").silent_about("insta");

    // The package of a teammate, whose test pictures went missing.
    for class in 2..10 {
        fs::remove_dir_all(project.path(&format!("data/test/{class}"))).expect("pictures can be removed");
    }
    project.shell("cargo test --quiet --test coverage").expect(101).says("kmnc(k=100)");
}

#[test]
fn other_models_and_data_are_understood() {
    let project = Project::bare("understood");
    let fixtures = workspace().join("fixtures");
    let init = |options: &str| {
        for file in ["cleanai.toml", "tests/coverage.rs"] {
            if project.path(file).exists() {
                fs::remove_file(project.path(file)).expect("what was written can be removed");
            }
        }
        let run = project.shell(&format!("cargo cleanai init --yes {options}"));
        let written = |file: &str| fs::read_to_string(project.path(file)).unwrap_or_default();
        (run, written("cleanai.toml"), written("tests/coverage.rs"))
    };
    let fixture = |name: &str| fixtures.join(name).display().to_string();

    // A file of torch.export tells its input's shape; grey pictures are made what a model of colours takes.
    let (run, configuration, _) = init("--model models/lenet5.pt2 --data data/test --profile data/train");
    run.expect(0).says("torch.export, 61706 parameters");
    assert!(configuration.contains("transform = [{ normalize = { mean = [0.5], std = [0.5] } }]"), "{configuration}");

    // Arrays in the model's own layout are taken as they are.
    let (model, data, profile) =
        (fixture("models/resnet.pt"), fixture("data/resnet_test.npz"), fixture("data/resnet_profile.npz"));
    let (run, configuration, test) = init(&format!("--model {model} --data {data} --profile {profile}"));
    run.expect(0);
    assert!(
        configuration.contains("[models.resnet]") && configuration.contains("resnet_profile.npz"),
        "{configuration}"
    );
    assert!(test.contains("kmnc(k = 100)"), "{test}");

    // What does not go together is marked, not guessed.
    let (run, configuration, _) = init(&format!("--model {} --data data/test", fixture("models/mlp.pt")));
    run.expect(0).says("lines marked CHECK");
    assert!(
        configuration.contains("# CHECK: pixels") && configuration.contains("# CHECK: the file"),
        "{configuration}"
    );
    let (run, configuration, test) = init(&format!("--model {}", fixture("kinds/several_inputs.pt")));
    run.expect(0).says("no data was found");
    assert!(configuration.contains("# [data.") && !test.contains("accuracy"), "{configuration}\n{test}");

    // Files that are no models, with the engine's own words and nothing written.
    for (name, words) in [("bad/state_dict.pt", "state dict"), ("bad/truncated.pt", ""), ("bad/text.pt", "")] {
        let (run, configuration, test) = init(&format!("--model {}", fixture(name)));
        let run = run.expect(2).says(words);
        assert_eq!(run.err.matches("error").count(), 1, "{}", run.err);
        assert!(configuration.is_empty() && test.is_empty(), "{name}: something was written");
    }
}

/// As a user has it: nothing compiled before but the command itself, no profile of ours. It takes minutes, so it runs when asked for:
/// `cargo test -p functional-tests --test init -- --ignored --nocapture`.
#[test]
#[ignore = "compiles libtorch's binding and the harness anew"]
fn the_walk_from_a_new_package_to_its_first_gate() {
    let project = Project::bare("walked");
    project.shell("rm -r target Cargo.toml src").expect(0);
    // The lock file only spares the registry; models and data are what a user brings along.
    let steps = [
        ("cargo new digits-gate --lib --vcs none", 0),
        ("cd digits-gate && mv ../models ../data ../Cargo.lock . && rm models/lenet5.pt2 && cargo cleanai init", 0),
        ("cd digits-gate && cargo test --test coverage", 101),
        ("cd digits-gate && cargo insta accept", 0),
        ("cd digits-gate && cargo test --test coverage", 0),
    ];
    let mut total = 0.0;
    for (command, code) in steps {
        let start = std::time::Instant::now();
        let run = project.shell(&format!("unset CARGO_TARGET_DIR; {{ {command}\n}} 2>&1")).expect(code);
        let seconds = start.elapsed().as_secs_f64();
        total += seconds;
        let lines: Vec<&str> = run.out.lines().filter(|line| !line.trim_start().starts_with("Compiling")).collect();
        println!("$ {command}\n{}\n[{seconds:.1} s]\n", lines.join("\n"));
    }
    println!("{total:.0} s in all");
    assert!(total < 600.0, "from a new package to its first gate took {total:.0} s");
}
