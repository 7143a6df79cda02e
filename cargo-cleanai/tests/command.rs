//! The command as a whole, on a machine whose Python and cargo are made for the test.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

#[path = "support/machine.rs"]
mod machine;
#[path = "support/make.rs"]
#[allow(dead_code, reason = "the unit tests use the rest")]
mod make;

use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use machine::{Machine, names, said};

#[test]
fn fetches_all_that_is_needed_once() {
    let machine = Machine::new();
    let text = machine.run(&["cleanai", "setup"], 0);
    assert!(text.contains("pip's default index") && text.contains("Unpacking torch-2.13.0"), "{text}");
    machine.assert_installed();
    assert_eq!(names(&machine.place().join("lib")).len(), 5);
    let log = machine.log("log");
    assert_eq!(
        log,
        [
            "cpu torch==2.13.0",
            "default torch==2.13.0",
            "default nvidia-cuda-runtime==13.*",
            "default nvidia-cuda-cupti==13.*"
        ]
    );
    machine.run(&["setup"], 0);
    assert_eq!(machine.log("log"), log);
}

#[test]
fn the_cpu_index_comes_first() {
    let machine = Machine::new();
    machine.touch("cpu-index");
    fs::remove_dir_all(machine.path("wheels")).unwrap();
    fs::create_dir(machine.path("wheels")).unwrap();
    machine.wheel("wheels/torch-2.13.0+cpu-cp312-cp312-manylinux_2_28.whl", &[]);
    machine.run(&["setup"], 0);
    machine.assert_installed();
    assert_eq!(machine.log("log"), ["cpu torch==2.13.0"]);
}

#[test]
fn a_torch_of_python_is_taken_if_it_is_the_right_one() {
    let machine = Machine::new();
    machine.run(&["setup"], 0);
    let torch = machine.path("site-packages/torch");
    fs::create_dir(machine.path("site-packages")).unwrap();
    fs::rename(machine.place(), &torch).unwrap();
    fs::remove_file(torch.join("build-version")).unwrap();
    fs::write(machine.path("torch"), format!("2.13.0+cu130\n{}\n", torch.display())).unwrap();
    let text = machine.run(&["setup"], 0);
    assert!(text.contains(&format!("libtorch 2.13.0+cu130 in {}", torch.display())), "{text}");
    fs::write(machine.path("torch"), format!("2.12.0\n{}\n", torch.display())).unwrap();
    let text = machine.run(&["setup"], 0);
    assert!(text.contains("is 2.12.0, and 2.13.0 is needed"), "{text}");
    machine.assert_installed();
}

#[test]
fn whole_wheels_survive_a_failure() {
    let machine = Machine::new();
    let hidden = machine.path("hidden");
    let cupti = machine.path("wheels/nvidia_cuda_cupti-13.0.9-py3-none-any.whl");
    fs::rename(&cupti, &hidden).unwrap();
    let text = machine.run(&["setup"], 1);
    assert!(text.contains("error: could not fetch nvidia-cuda-cupti==13.*") && text.contains("help: "), "{text}");
    assert!(!machine.place().exists());
    fs::rename(&hidden, &cupti).unwrap();
    machine.run(&["setup"], 0);
    machine.assert_installed();
    assert_eq!(machine.log("log").iter().filter(|line| *line == "default torch==2.13.0").count(), 1);
}

#[test]
fn a_run_killed_while_it_downloads_leaves_nothing_half() {
    let machine = Machine::new();
    machine.touch("hang");
    let mut child = machine.command(&["setup"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while !machine.path("hanging").exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "the download never began");
        sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!machine.place().exists());
    fs::remove_file(machine.path("hang")).unwrap();
    machine.run(&["setup"], 0);
    machine.assert_installed();
}

#[test]
fn a_broken_connection_is_tried_again() {
    let machine = Machine::new();
    machine.touch("drop");
    let text = machine.run(&["setup"], 0);
    assert!(text.contains("torch==2.13.0 again: connection broken"), "{text}");
    machine.assert_installed();
}

#[test]
fn a_damaged_wheel_is_fetched_again_once() {
    let machine = Machine::new();
    machine.damaged("first/torch");
    let text = machine.run(&["setup"], 0);
    assert!(text.contains("Damaged torch-2.13.0"), "{text}");
    machine.assert_installed();

    let machine = Machine::new();
    machine.damaged("wheels/torch-2.13.0-cp312-cp312-manylinux_2_28.whl");
    let text = machine.run(&["setup"], 1);
    assert!(text.contains("is damaged, also when fetched again: torch/include/"), "{text}");
    assert_eq!(machine.log("log").iter().filter(|line| *line == "default torch==2.13.0").count(), 2);
    assert!(!machine.place().exists());
}

#[test]
fn a_wheel_that_is_no_wheel_is_damaged_too() {
    let machine = Machine::new();
    fs::write(machine.path("first/torch"), "<html>log in to the network</html>").unwrap();
    machine.run(&["setup"], 0);
    machine.assert_installed();
}

#[test]
fn a_half_made_folder_is_replaced() {
    let machine = Machine::new();
    fs::create_dir_all(machine.place().join("lib")).unwrap();
    fs::write(machine.place().join("lib/libtorch_cpu.so"), "half").unwrap();
    machine.run(&["setup"], 0);
    machine.assert_installed();
}

#[test]
fn two_at_once_fetch_once() {
    let machine = Machine::new();
    let children =
        [(); 3].map(|()| machine.command(&["setup"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    for child in children {
        said(child.wait_with_output().unwrap(), 0);
    }
    machine.assert_installed();
    assert_eq!(machine.log("log").len(), 4);
}

#[test]
fn no_python_and_no_pip_are_named() {
    let machine = Machine::new();
    machine.touch("no-pip");
    let text = machine.run(&["setup"], 1);
    assert!(text.contains("has none: python3: No module named pip") && text.contains("help: install pip"), "{text}");
    let text = said(machine.command(&["setup"]).env("PATH", machine.path("first")).output().unwrap(), 1);
    assert!(text.contains("there is no python3") && text.contains("help: install python3 with pip"), "{text}");
}

#[test]
fn a_libtorch_of_the_users_own_wins_and_is_checked() {
    let machine = Machine::new();
    machine.run(&["setup"], 0);
    let own = machine.path("own");
    fs::rename(machine.place(), &own).unwrap();
    let text = said(machine.command(&["setup"]).env("LIBTORCH", &own).output().unwrap(), 0);
    assert!(text.contains("(named by LIBTORCH)"), "{text}");
    assert!(!machine.place().exists());
    fs::write(own.join("build-version"), "2.12.0\n").unwrap();
    let text = said(machine.command(&["setup"]).env("LIBTORCH", &own).output().unwrap(), 2);
    assert!(text.contains("it is version 2.12.0, and 2.13.0 is needed") && text.contains("help: "), "{text}");
}

#[test]
fn tests_run_in_a_project_that_is_set_up_on_the_way() {
    let machine = Machine::new();
    let root = machine.project();
    let text = machine.run(&["test", "-p", "user", "--", "--list"], 101);
    assert!(text.contains("Linked .cargo/libtorch"), "{text}");
    assert_eq!(fs::read_link(root.join(".cargo/libtorch")).unwrap(), machine.place());
    let configuration = fs::read_to_string(root.join(".cargo/config.toml")).unwrap();
    assert!(configuration.contains("LIBTORCH = { value = \".cargo/libtorch\", relative = true }"));
    // The second time nothing is said, and our own link in LIBTORCH is not taken for a choice of the user's.
    let again =
        machine.command(&["test", "--", "name"]).env("LIBTORCH", root.join(".cargo/libtorch")).output().unwrap();
    assert_eq!(said(again, 101), "");
    machine.run(&["test"], 101);
    assert_eq!(
        machine.log("cargo-log"),
        [
            "LIBTORCH= CARGO_PKG_NAME= test -p user -- --list",
            "LIBTORCH= CARGO_PKG_NAME= test -- name",
            "LIBTORCH= CARGO_PKG_NAME= test"
        ]
    );
    assert_eq!(machine.log("log").len(), 4);
}

#[test]
fn an_engine_is_installed_once_and_given_the_request() {
    let machine = Machine::new();
    machine.touch("here/m.pt");
    let line = ["measure", "--model", "m.pt", "--data", "d", "--criterion", "nc"];
    let text = machine.run(&line, 7);
    let expected =
        format!("engine measure --model=m.pt --data=d --criterion=nc with {}\n", machine.place().join("lib").display());
    assert!(text.contains(&expected), "{text}");
    assert!(machine.run(&["inspect", "m.pt"], 7).contains("engine inspect m.pt with"));
    let log = machine.log("cargo-log");
    assert!(
        log.len() == 1 && log[0].contains("install cleanai-harness --version") && log[0].contains("LIBTORCH=/"),
        "{log:?}"
    );
    assert!(machine.run(&["inspect", "other.pt"], 2).contains("there is no model other.pt"));
}

#[test]
fn the_doctor_names_the_fix() {
    let machine = Machine::new();
    machine.project();
    let text = machine.run(&["doctor"], 1);
    assert!(text.contains("To fix it: cargo cleanai setup"), "{text}");
    machine.run(&["setup"], 0);
    machine.program("bin/c++", "#!/bin/sh\necho fake c++ 1\n");
    let text = machine.run(&["doctor"], 0);
    assert!(
        text.contains("libtorch      2.13.0+cpu in") && text.contains("this libtorch has no libtorch_cuda"),
        "{text}"
    );
    assert!(text.contains("All is well"), "{text}");
}

#[test]
fn usage_and_place_are_told_apart_from_trouble() {
    let machine = Machine::new();
    for line in [&["nonsense"][..], &["demo"], &["test"], &["measure", "--model", "m"], &[]] {
        machine.run(line, 2);
    }
    fs::write(machine.path("here/Cargo.toml"), "[package\n").unwrap();
    let text = machine.run(&["setup"], 2);
    assert!(text.contains("error: cargo cannot read this project"), "{text}");
    assert!(machine.run(&["--help"], 0).contains("cargo cleanai demo"));
    assert!(machine.run(&["cleanai", "--version"], 0).contains(env!("CARGO_PKG_VERSION")));
    assert!(machine.log("log").is_empty());
}

#[test]
fn the_reference_and_the_schema_need_nothing() {
    let machine = Machine::new();
    assert!(machine.run(&["config", "reference"], 0).contains("### `CLEANAI_BATCH`"));
    let schema: serde_json::Value = serde_json::from_str(&machine.run(&["config", "schema"], 0)).unwrap();
    assert_eq!(schema["properties"]["report"]["additionalProperties"], false);
    assert!(machine.log("log").is_empty(), "no libtorch is fetched for that");
}

#[test]
fn tests_are_asked_for_their_settings() {
    let machine = Machine::new();
    let root = machine.project();
    assert!(machine.run(&["config", "show"], 2).contains("there is no test target that CleanAI runs"));
    let manifest = "[package]\nname = \"user\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
                    [dev-dependencies]\ncleanai-harness = \"0.1\"\n\
                    [[test]]\nname = \"coverage\"\nharness = false\n[[test]]\nname = \"unit\"\n[[test]]\nname = \"deep\"\nharness = false\n";
    fs::write(root.join("Cargo.toml"), manifest).unwrap();
    fs::create_dir(root.join("tests")).unwrap();
    for name in ["coverage", "unit", "deep"] {
        fs::write(root.join(format!("tests/{name}.rs")), "fn main() {}").unwrap();
    }
    // A cargo that cannot build says so itself, and its code is passed on.
    machine.run(&["config", "show"], 101);
    let test = |name: &str| {
        serde_json::json!({
            "name": name, "package": "user", "target": "coverage", "file": "tests/coverage.rs", "line": 6, "ignored": false,
            "configuration": null, "overridden": [], "requirements": [], "tables": [], "error": null,
            "settings": [{ "key": "batch", "value": "64", "origin": { "kind": "default" }, "from": "default" }],
        })
    };
    let answer = |names: &[&str]| {
        let tests: Vec<_> = names.iter().map(|name| test(name)).collect();
        let warning = "the variable CLEANAI_BACH is not known; did you mean CLEANAI_BATCH?";
        format!(
            "{{\"cleanai\":\"settings\",\"schema\":1,\"warnings\":[\"{warning}\"],\"files\":[],\"tests\":{}}}",
            serde_json::json!(tests)
        )
    };
    let said = format!("other: test\n{}\n{}\n", answer(&["lenet5"]), answer(&["deep::lenet6"]));
    fs::write(machine.path("answer"), said).unwrap();
    let text = machine.run(&["config", "show"], 0);
    assert!(text.contains("lenet5        user coverage  tests/coverage.rs:6"), "{text}");
    assert_eq!(text.matches("warning: the variable CLEANAI_BACH is not known").count(), 1, "{text}");
    let text = machine.run(&["config", "show", "lenet6", "--test", "deep", "--", "--release"], 0);
    assert!(text.contains("deep::lenet6 (user coverage") && text.contains("batch    64     default"), "{text}");
    let output = machine.command(&["config", "show", "lenet5", "--json", "-p", "user"]).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((json["tests"].as_array().map(Vec::len), &json["tests"][0]["name"]), (Some(1), &"lenet5".into()));
    assert!(machine.run(&["config", "show", "lenet7"], 2).contains("help: did you mean `lenet5`?"));
    assert!(machine.run(&["config", "show", "-p", "users"], 2).contains("help: did you mean `user`?"));
    let log = machine.log("cargo-log");
    let asked: Vec<&str> = log.iter().filter_map(|line| Some(line.split_once("CARGO_PKG_NAME= ")?.1)).collect();
    assert_eq!(asked[1], "test --package user --test coverage --test deep -- --list");
    assert_eq!(asked[2], "test --package user --test deep --release -- --list");
    fs::write(machine.path("answer"), "lenet5: test\n").unwrap();
    let text = machine.run(&["config", "show"], 1);
    assert!(text.contains("the tests of user do not tell their settings"), "{text}");
}

#[test]
fn a_file_is_checked_by_the_engine() {
    let machine = Machine::new();
    let text = machine.run(&["config", "check", "ci.toml"], 7);
    assert!(text.contains("engine config check ci.toml with"), "{text}");
    assert!(machine.run(&["config", "check"], 7).contains("engine config check with"));
}
