//! `inspect` as a user reads it: what it says of each kind of model, and of those that do not run.

use std::process::Command;

use serde_json::Value;

mod common;

use common::root;

struct Said {
    code: i32,
    out: String,
    error: String,
}

fn inspect(model: &str, arguments: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_cleanai-engine"))
        .current_dir(root())
        .arg("inspect")
        .arg(model)
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), error: text(output.stderr) }
}

fn json(model: &str, arguments: &[&str]) -> Value {
    let said = inspect(model, &[arguments, &["--json", "-"]].concat());
    assert_eq!(said.code, 0, "{model}: {}", said.error);
    serde_json::from_str(&said.out).unwrap_or_else(|why| panic!("{model}: {why}\n{}", said.out))
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

#[test]
fn a_network_is_shown_whole() {
    let said = inspect("examples/digits/models/lenet5.pt", &[]);
    assert_eq!(said.code, 0, "{}", said.error);
    for line in [
        "examples/digits/models/lenet5.pt  torchscript",
        "61706 parameters, 12 modules, 5 layers",
        "forward(x: Tensor)",
        "input x (N, 1, 28, 28), assumed: it runs; give --input-shape if it is another",
        "operators: 2 _convolution, 1 flatten, 3 linear, 2 max_pool2d, 4 relu",
        "  0  relu1  ReLU                    6        4704  (N, 6, 28, 28), channels on axis 1",
        "  4  fc3    Linear                 10          10  (N, 10)  logits",
        "  penultimate               relu4",
        "  class:ReLU                4 layers: relu1, relu2, relu3, relu4",
        "  relu2  <-  relu1",
    ] {
        assert!(said.out.lines().any(|found| found == line), "{line:?} is not in\n{}", said.out);
    }
}

#[test]
fn residual_joins_are_seen_in_the_graph() {
    for form in ["pt", "scripted.pt", "pt2"] {
        let found = json(&format!("fixtures/models/resnet.{form}"), &["--input-shape", "3,16,16"]);
        let layers = found["layers"].as_array().unwrap();
        let reads = |name: &str| {
            let layer =
                layers.iter().find(|layer| layer["name"] == name).unwrap_or_else(|| panic!("{form}: no {name}"));
            strings(&layer["reads"])
        };
        assert_eq!(reads("layer1.0/relu"), ["relu", "layer1.0.conv2"], "{form}");
        let units: u64 = layers.iter().map(|layer| layer["units"].as_u64().unwrap()).sum();
        assert!(units > 10_000, "{form}: {units}");
        assert_eq!(found["modules"][0]["path"], "", "{form}: the root is first");
        assert_eq!(found["outputs"], serde_json::json!([[2, 10]]), "{form}");
    }
}

#[test]
fn every_kind_says_what_it_takes() {
    let found = json("fixtures/kinds/lstm.pt", &["--input-shape", "5"]);
    assert_eq!(strings(&found["signature"]), ["tokens: Tensor[int64]"]);
    assert_eq!(
        (&found["layers"][0]["shape"], &found["layers"][0]["channel_axis"]),
        (&Value::from(vec![5, 8]), &1.into())
    );
    let found =
        json("fixtures/kinds/several_inputs.pt", &["--input-shape", "image=1,6,6", "--input-shape", "tokens=4"]);
    assert_eq!(strings(&found["signature"]), ["image: Tensor", "tokens: Tensor[int64]"]);
    let found = json("fixtures/kinds/dict_input.pt2", &[]);
    assert_eq!(found["inputs"][1]["name"], "batch.tokens");
    assert_eq!(found["inputs"][1]["element"], "int64");
    let found = json("fixtures/kinds/branch.scripted.pt", &["--input-shape", "6"]);
    assert_eq!((&found["model"]["branches_on_data"], &found["model"]["fixed_batch"]), (&true.into(), &1.into()));
    let found = json("fixtures/kinds/fixed_batch_four.pt", &["--input-shape", "1,6,6"]);
    assert_eq!((&found["model"]["branches_on_data"], &found["model"]["fixed_batch"]), (&false.into(), &4.into()));
    let found = json("fixtures/kinds/loop.scripted.pt", &["--input-shape", "5,3"]);
    let names: Vec<&str> = found["layers"].as_array().unwrap().iter().map(|l| l["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["cell", "cell#2", "cell#3", "cell#4", "cell#5", "fc"]);
    let found = json("fixtures/kinds/transformer.scripted.pt", &["--input-shape", "5,8"]);
    let left = found["left_out"].as_array().unwrap();
    assert!(left.iter().any(|left| left["name"] == "encoder.layers.0.linear2" && left["why"] == "no input reaches it"));
    let found = json("fixtures/kinds/quantised_conv.pt", &["--input-shape", "1,6,6"]);
    assert_eq!(found["layers"][0]["class"], "ConvReLU2d");
}

#[test]
fn what_is_in_the_way_is_named_with_its_place() {
    let said = inspect("fixtures/kinds/unet.pt", &["--input-shape", "1,5,5"]);
    assert_eq!(said.code, 2);
    assert!(said.out.contains("5 layers"), "the graph is shown all the same:\n{}", said.out);
    assert!(
        said.error.contains("Expected size 4 but got size 5") && said.error.contains(", at code/__torch__/kinds.py:")
    );
    let said = inspect("fixtures/kinds/condition.pt2", &[]);
    assert!(said.error.contains("it calls cond") && said.code == 2, "{}", said.error);
    let said = inspect("fixtures/bad/unknown_operator.pt", &[]);
    assert!(said.error.contains("acme::sharpen") && said.error.contains("--library"), "{}", said.error);
    let said = inspect("fixtures/kinds/several_inputs.pt", &["--input-shape", "image=1,6,6"]);
    assert!(said.error.contains("lacks the model's input `tokens`") && said.code == 2, "{}", said.error);
    for (arguments, error) in [
        (&["--input-shape", "a,b"][..], "--input-shape a,b is no shape"),
        (&["--input", "x=int63"], "--input x=int63 is not NAME=TYPE"),
        (&["--device", "gpu"], "unknown device `gpu`"),
        (&["--library", "absent.so"], "library absent.so cannot be loaded"),
    ] {
        let said = inspect("fixtures/kinds/unet.pt", arguments);
        assert!(said.error.contains(error) && said.code == 2, "{arguments:?}: {}", said.error);
    }
    if !tch::Cuda::is_available() {
        let said = inspect("fixtures/kinds/unet.pt", &["--device", "cuda:1"]);
        assert!(said.error.contains("device cuda:1 is asked for, but"), "{}", said.error);
        assert_eq!(
            json("fixtures/kinds/unet.pt", &["--device", "auto", "--input-shape", "1,8,8"])["layers"][0]["channels"],
            4
        );
    }
}
