//! The recipes for GitHub Actions, GitLab and Jenkins: of the structure that these systems demand, and executed as far as they can be here. What they
//! install is there already; what they run is run, and what they keep must exist.

use std::fs;

use functional_tests::{Project, workspace};
use saphyr::{LoadableYamlNode, ScalarOwned, YamlOwned};

fn recipe(name: &str) -> String {
    let path = workspace().join("cleanai-harness/docs/guide/src/ci").join(name);
    fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

fn yaml(name: &str) -> YamlOwned {
    let mut documents = YamlOwned::load_from_str(&recipe(name)).unwrap_or_else(|why| panic!("{name}: {why}"));
    assert_eq!(documents.len(), 1, "{name} is one document");
    documents.swap_remove(0)
}

/// A value below keys.
#[track_caller]
fn at<'y>(node: &'y YamlOwned, keys: &[&str]) -> &'y YamlOwned {
    keys.iter().fold(node, |node, key| node.as_mapping_get(key).unwrap_or_else(|| panic!("no {key} of {keys:?}")))
}

#[track_caller]
fn text(node: &YamlOwned) -> &str {
    node.as_str().unwrap_or_else(|| panic!("{node:?} is no text"))
}

fn texts(node: &YamlOwned) -> Vec<&str> {
    node.as_vec().unwrap_or_else(|| panic!("{node:?} is no list")).iter().map(text).collect()
}

/// Keys of a mapping.
fn keys(node: &YamlOwned) -> Vec<&str> {
    node.as_mapping().unwrap_or_else(|| panic!("{node:?} is no mapping")).keys().map(text).collect()
}

/// A package with an accepted baseline, as the recipes find it in a checkout.
fn checkout(name: &str) -> Project {
    let project = Project::bare(name);
    project.shell("cargo cleanai init --yes --model models/lenet5.pt").expect(0);
    project.shell("cargo test --quiet --test coverage").expect(101);
    project.shell("cargo insta accept").expect(0);
    project
}

/// Whether a line installs what a runner lacks and this machine has.
fn installs(line: &str) -> bool {
    ["rustup ", "apt-get ", "command -v cargo-cleanai || cargo install "].iter().any(|start| line.starts_with(start))
}

/// Runs a line as a runner does, with `CI` set; lines that install are run with stand-ins for the installers, so that their shell is checked too.
fn run(project: &Project, line: &str, variables: &str) {
    let stand_ins = if installs(line) { "rustup() { :; }; apt-get() { :; }; " } else { "" };
    let script = format!("export CI=true {variables}\n{stand_ins}{line}");
    let done = project.shell(&format!("bash -e -o pipefail <<'END_OF_STEP'\n{script}\nEND_OF_STEP"));
    assert_eq!(done.code, 0, "{line}\n{}{}", done.out, done.err);
}

/// What artifacts name must exist: a path, or a pattern with `**` for folders and `*` in a name.
fn kept(project: &Project, pattern: &str) {
    let done =
        project.shell(&format!("bash -O globstar -O nullglob -c 'set -- {pattern}; [ $# -gt 0 ] && [ -e \"$1\" ]'"));
    assert_eq!(done.code, 0, "{pattern} is to be kept, and is not there");
}

#[test]
fn github() {
    let workflow = yaml("github.yml");
    for key in keys(&workflow) {
        assert!(["name", "on", "permissions", "env", "jobs"].contains(&key), "a workflow has no {key}");
    }
    assert!(!keys(at(&workflow, &["on"])).is_empty());
    assert_eq!(text(at(&workflow, &["permissions", "contents"])), "read", "no more rights than it takes");
    let jobs = at(&workflow, &["jobs"]);
    assert_eq!(keys(jobs), ["coverage"]);
    let job = at(jobs, &["coverage"]);
    text(at(job, &["runs-on"]));
    assert!(matches!(at(job, &["timeout-minutes"]), YamlOwned::Value(ScalarOwned::Integer(minutes)) if *minutes > 0));

    let project = checkout("recipe-github");
    let summary = project.path("summary.md");
    let (mut used, mut ran) = (Vec::new(), 0);
    for step in at(job, &["steps"]).as_vec().expect("steps are a list") {
        for key in keys(step) {
            assert!(["name", "uses", "with", "run", "shell", "if", "env"].contains(&key), "a step has no {key}");
        }
        match (step.as_mapping_get("uses"), step.as_mapping_get("run")) {
            (Some(action), None) => {
                let (name, version) = text(action).split_once('@').expect("an action is pinned to a version");
                let digits = version.strip_prefix('v').unwrap_or_default();
                assert!(!digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()), "{name}@{version}");
                let with = at(step, &["with"]);
                used.push(name.to_owned());
                match name {
                    "actions/checkout" => {}
                    "actions/cache" => {
                        assert!(
                            text(at(with, &["key"])).contains("hashFiles("),
                            "a cache goes by what it was made from"
                        );
                        assert!(!text(at(with, &["path"])).trim().is_empty());
                    }
                    "actions/upload-artifact" => {
                        assert_eq!(text(at(step, &["if"])), "always()", "reports of a failure are wanted most");
                        text(at(with, &["name"]));
                        kept(&project, text(at(with, &["path"])));
                    }
                    other => panic!("{other} is an action that this test does not know"),
                }
            }
            (None, Some(script)) => {
                ran += 1;
                run(&project, text(script), &format!("GITHUB_STEP_SUMMARY='{}'", summary.display()));
            }
            _ => panic!("a step either uses an action or runs a script: {step:?}"),
        }
    }
    used.sort_unstable();
    used.dedup();
    assert_eq!(used, ["actions/cache", "actions/checkout", "actions/upload-artifact"]);
    assert!(ran >= 3, "only {ran} scripts ran");
    let summary = fs::read_to_string(&summary).expect("a summary is written");
    assert!(summary.contains("kmnc(k=100)"), "{summary}");
}

#[test]
fn a_failing_gate_fails_the_step() {
    let project = checkout("recipe-failing");
    fs::remove_dir_all(project.path("data/test/3")).expect("pictures can be removed");
    let workflow = yaml("github.yml");
    let steps = at(&workflow, &["jobs", "coverage", "steps"]).as_vec().expect("steps are a list");
    let gate =
        steps.iter().find(|step| step.as_mapping_get("name").is_some_and(|name| text(name) == "Gate")).expect("a gate");
    let script = text(at(gate, &["run"]));
    let done = project.shell(&format!("CI=true bash --noprofile --norc -e -o pipefail -c '{script}'"));
    assert_eq!(done.code, 101, "{}{}", done.out, done.err);
    kept(&project, "target/cleanai");
    assert!(!project.pending().exists(), "CI wrote a pending baseline");
}

#[test]
fn gitlab() {
    let pipeline = yaml("gitlab.yml");
    assert_eq!(texts(at(&pipeline, &["stages"])), ["test"]);
    let job = at(&pipeline, &["coverage"]);
    for key in keys(job) {
        let known = ["stage", "image", "timeout", "variables", "cache", "before_script", "script", "artifacts"];
        assert!(known.contains(&key), "a job has no {key}");
    }
    assert_eq!(text(at(job, &["stage"])), "test");
    let image = text(at(job, &["image"]));
    assert!(image.split_once(':').is_some_and(|(_, version)| version != "latest"), "{image} is pinned by version");
    let folders = texts(at(job, &["cache", "paths"]));
    assert!(
        folders.iter().all(|path| !path.starts_with('/') && !path.starts_with('~')),
        "GitLab keeps paths of the project only"
    );
    assert_eq!(texts(at(job, &["cache", "key", "files"])), ["Cargo.lock"]);
    for (name, value) in at(job, &["variables"]).as_mapping().expect("variables are a mapping") {
        text(name);
        text(value);
    }

    let project = checkout("recipe-gitlab");
    // The cache folders are the runner's; here those of this machine serve.
    let variables = "CARGO_HOME=\"${CARGO_HOME:-$HOME/.cargo}\"";
    let mut lines = texts(at(job, &["before_script"]));
    lines.extend(texts(at(job, &["script"])));
    assert!(lines.contains(&"cargo cleanai test --test coverage"));
    for line in lines {
        run(&project, line, variables);
    }
    let artifacts = at(job, &["artifacts"]);
    assert_eq!(text(at(artifacts, &["when"])), "always");
    for path in texts(at(artifacts, &["paths"])) {
        kept(&project, path);
    }
    kept(&project, text(at(artifacts, &["reports", "junit"])));
}

#[test]
fn jenkins() {
    let script = recipe("Jenkinsfile");
    let code: String =
        script.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    assert_eq!(code.matches('{').count(), code.matches('}').count(), "braces are closed");
    assert_eq!(code.matches('\'').count() % 2, 0, "quotes are closed");
    // The sections a declarative pipeline has, in the order in which they may stand.
    let places = ["pipeline {", "agent any", "options {", "environment {", "stages {", "steps {", "post {", "always {"]
        .map(|part| code.find(part).unwrap_or_else(|| panic!("no `{part}`")));
    assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "sections are out of order");

    let project = checkout("recipe-jenkins");
    let quoted = |start: &str| -> Vec<String> {
        let lines =
            code.lines().filter_map(|line| line.trim().strip_prefix(start)?.strip_prefix('\'')?.strip_suffix('\''));
        lines.map(str::to_owned).collect()
    };
    let scripts = quoted("sh ");
    assert_eq!(scripts.len(), 2);
    for script in scripts {
        run(&project, &script, "");
    }
    for start in ["junit testResults: ", "archiveArtifacts artifacts: "] {
        let patterns = quoted(start);
        assert_eq!(patterns.len(), 1, "{start}");
        kept(&project, &patterns[0]);
    }
}
