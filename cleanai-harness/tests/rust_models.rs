//! Models written in Rust, and what the model's table can say of any model: libraries, element types, axes.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use cleanai_harness::declare::{AxisChoice, DeviceChoice, InputChoice, ModelChoice, ModelOptions, ModelSource};
use cleanai_harness::measure;
use cleanai_harness::model::signature::ElementType;
use cleanai_harness::model::{Model, Observed};
use cleanai_harness::prelude::*;
use common::{Case, declaration, fixture, root, same};
use tch::nn::{self, Module, ModuleT};
use tch::{Device, Kind, Tensor};

struct Net {
    conv1: nn::Conv2D,
    norm: nn::BatchNorm,
    fc1: nn::Linear,
    fc2: nn::Linear,
}

impl Net {
    fn new(path: &nn::Path<'_>) -> Self {
        let halved = nn::ConvConfig { stride: 2, ..Default::default() };
        Self {
            conv1: nn::conv2d(path / "conv1", 3, 4, 3, halved),
            norm: nn::batch_norm2d(path / "norm", 4, Default::default()),
            fc1: nn::linear(path / "block" / "fc1", 4 * 7 * 7, 8, Default::default()),
            fc2: nn::linear(path / "fc2", 8, 5, Default::default()),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let x = self.norm.forward_t(&self.conv1.forward(x), false).relu();
        self.fc2.forward(&self.fc1.forward(&x.flatten(1, -1)).tanh())
    }
}

fn input(rows: i64) -> Tensor {
    (Tensor::arange(rows * 3 * 16 * 16, (Kind::Float, Device::Cpu)) * 7919.0).remainder(17.0).view([rows, 3, 16, 16])
        / 8.0
        - 1.0
}

#[cleanai::model]
fn tiny(device: Device) -> cleanai::Result<Model> {
    tch::manual_seed(3);
    let store = nn::VarStore::new(device);
    let net = Net::new(&store.root());
    Model::from_module(&store, |x| net.forward(x), &input(2).to_device(device))
}

#[cleanai::model]
fn broken() -> Result<Model, String> {
    Err("its weights are at home".to_owned())
}

#[test]
fn a_model_written_in_rust_is_traced() {
    let store = nn::VarStore::new(Device::Cpu);
    let net = Net::new(&store.root());
    let names = |model: &Model| model.layers().iter().map(|layer| layer.name.clone()).collect::<Vec<_>>();
    let mut plain = Model::from_fn(|x| net.forward(x), &input(2)).unwrap();
    assert_eq!(names(&plain), ["relu", "tanh", "linear"]);
    let mut named = Model::from_module(&store, |x| net.forward(x), &input(2)).unwrap();
    assert_eq!(names(&named), ["relu", "tanh", "fc2"]);
    assert_eq!(named.format(), "function");
    let trainable: usize = store.trainable_variables().iter().map(Tensor::numel).sum();
    assert_eq!(plain.graph().parameters, trainable as u64);
    assert_eq!(plain.sha256().len(), 64);
    for rows in [1, 4] {
        let expected = tch::no_grad(|| net.forward(&input(rows)));
        for model in [&mut plain, &mut named] {
            model.calibrate(&[("x", &input(2))]).unwrap();
            let mut layers = Vec::new();
            let outputs = model.run(&[&input(rows)], &mut |observed, tensor| {
                if let Observed::Layer(index) = observed {
                    layers.push((index, tensor.size()));
                }
                Ok(())
            });
            assert!(same(&outputs.unwrap()[0], &expected), "{rows} rows");
            assert_eq!(layers, [(0, vec![rows, 4, 7, 7]), (1, vec![rows, 8]), (2, vec![rows, 5])]);
        }
    }
}

#[test]
fn weights_tell_models_apart() {
    let build = |seed: i64| {
        tch::manual_seed(seed);
        let store = nn::VarStore::new(Device::Cpu);
        let net = Net::new(&store.root());
        Model::from_fn(|x| net.forward(x), &input(2)).unwrap().sha256().to_owned()
    };
    assert_eq!(build(1), build(1));
    assert_ne!(build(1), build(2));
}

#[test]
fn a_panic_in_a_constructor_leaves_nothing_behind() {
    let panicked = std::panic::catch_unwind(|| Model::from_fn(|_| panic!("no forward"), &input(2)));
    assert!(panicked.is_err());
    assert!(Model::from_fn(Tensor::relu, &input(2)).is_ok(), "the next trace begins anew");
}

fn with_model(model: ModelChoice) -> cleanai_harness::declare::Declaration {
    let data = "fixtures/data/resnet_test.npz";
    let case = Case { model: "", profile: Some("fixtures/data/resnet_profile.npz"), test: data, transform: "[]" };
    cleanai_harness::declare::Declaration { model, ..declaration(&root(), &case) }
}

fn function(name: &str) -> ModelChoice {
    ModelChoice { source: ModelSource::Function(name.to_owned()), ..ModelChoice::file(name, "", DeviceChoice::Cpu) }
}

#[test]
fn a_test_can_name_a_constructor() {
    let specs = ["nc(threshold=0.25)", "kmnc(k=10)@fc2"].map(|text| text.parse().unwrap());
    let measured = measure::once(&with_model(function("tiny")), &specs).unwrap();
    let names: Vec<&str> = measured.model.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["relu", "tanh", "fc2"]);
    assert_eq!(measured.model.format, "function");
    assert!(measured.criteria["nc(threshold=0.25)"].value.unwrap() > 0.0);
    let said = |name: &str| measure::once(&with_model(function(name)), &specs).unwrap_err().to_string();
    assert_eq!(said("broken"), "the model `broken` cannot be built: its weights are at home");
    assert_eq!(said("none"), "no function `none` is marked #[cleanai::model]");
}

/// A library with one operator, `cleanai_test::twice`, made of what the engine is made with.
fn library(folder: &Path) -> PathBuf {
    let source = folder.join("twice.cpp");
    let code = "#include <torch/library.h>\n#include <ATen/ATen.h>\n\
        static at::Tensor twice(const at::Tensor& x) { return x * 2; }\n\
        TORCH_LIBRARY(cleanai_test, m) { m.def(\"twice(Tensor x) -> Tensor\", &twice); }\n";
    std::fs::write(&source, code).unwrap();
    let libtorch = Path::new(env!("OUT_DIR")).join("libtorch");
    let include = std::fs::canonicalize(&libtorch).unwrap().parent().unwrap().join("include");
    let made = folder.join("libtwice.so");
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let done = Command::new(compiler)
        .args(["-shared", "-fPIC", "-std=c++17", "-O0", "-o"])
        .arg(&made)
        .arg(&source)
        .arg("-I")
        .arg(&include)
        .arg("-L")
        .arg(&libtorch)
        .args(["-ltorch_cpu", "-lc10"])
        .status()
        .unwrap();
    assert!(done.success());
    made
}

/// A model whose code calls the operator in place of a square root.
fn with_operator(folder: &Path) -> PathBuf {
    use std::io::{Cursor, Read, Write};
    let whole = std::fs::read(fixture("models/root.scripted.pt")).unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(&whole)).unwrap();
    let path = folder.join("twice.pt");
    let mut written = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).unwrap();
        let name = member.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        if name.ends_with(".py") {
            let text = String::from_utf8(bytes).unwrap();
            bytes = text.replace("torch.sqrt(", "ops.cleanai_test.twice(").into_bytes();
        }
        written.start_file(name, stored).unwrap();
        written.write_all(&bytes).unwrap();
    }
    written.finish().unwrap();
    path
}

#[test]
fn operators_of_other_libraries_are_loaded_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = with_operator(folder.path());
    let refused = Model::open(&path, DeviceChoice::Cpu).unwrap_err().to_string();
    assert!(
        refused.contains("twice.pt calls cleanai_test::twice, an operator this libtorch does not have"),
        "{refused}"
    );
    assert!(refused.contains("libraries = ["), "{refused}");
    let options = |library: PathBuf| ModelOptions {
        device: DeviceChoice::Cpu,
        libraries: vec![library],
        ..ModelOptions::default()
    };
    let missing = Model::open_with(&path, &options(folder.path().join("absent.so"))).unwrap_err().to_string();
    assert!(missing.contains("absent.so cannot be loaded") && missing.contains("there is no such file"), "{missing}");
    let mut model = Model::open_with(&path, &options(library(folder.path()))).unwrap();
    let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]).view([2, 3]);
    model.calibrate(&[("x", &x)]).unwrap();
    assert_eq!(model.run(&[&x], &mut |_, _| Ok(())).unwrap()[0].size(), [2, 2]);
}

#[test]
fn the_table_decides_types_and_axes() {
    let open = |kind: &str, options: ModelOptions| {
        let options = ModelOptions { device: DeviceChoice::Cpu, ..options };
        Model::open_with(&fixture("kinds").join(kind), &options).unwrap()
    };
    let axes = |layers: &str, batch: Option<i64>, channel: Option<i64>| ModelOptions {
        axes: vec![AxisChoice { layers: layers.into(), batch, channel }],
        ..ModelOptions::default()
    };
    let shapes = [("x".to_owned(), vec![5, 6])];
    let infos = open("attention.pt", axes("quer*", None, Some(1))).calibrate_on_shapes(&shapes).unwrap();
    assert_eq!((infos[0].channels(), infos[1].channels()), (5, 6), "only the layers that are named");
    let infos = open("attention.pt", axes("query", None, Some(-1))).calibrate_on_shapes(&shapes).unwrap();
    assert_eq!(infos[0].channels(), 6);
    let said = |options| open("attention.pt", options).calibrate_on_shapes(&shapes).unwrap_err().to_string();
    assert!(said(axes("query", None, Some(3))).contains("which has no channel axis 3"));
    assert!(said(axes("query", Some(1), None)).contains("axis 1 of its shape [3, 5, 6] is no batch axis"));
    assert!(said(axes("nothing", None, Some(1))).contains("`axes` names the layers \"nothing\""));

    // A recurrent layer that reads time first has its batch second; told otherwise, the file's own rule gives way.
    let mut time_first = open("gru_time_first.pt", ModelOptions::default());
    let infos = time_first.calibrate_on_shapes(&[("x".to_owned(), vec![7, 3])]).unwrap();
    assert_eq!(infos[0].shape, [7, 6], "seven steps of six features");
    let batch = |batch| ModelOptions {
        inputs: [("x".to_owned(), InputChoice { element: None, batch: Some(batch) })].into(),
        ..ModelOptions::default()
    };
    let infos = open("gru_time_first.pt", batch(1)).calibrate_on_shapes(&[("x".to_owned(), vec![7, 3])]).unwrap();
    assert_eq!(infos[0].shape, [7, 6]);

    let double = ModelOptions {
        inputs: [("x".to_owned(), InputChoice { element: Some(ElementType::Float64), batch: None })].into(),
        ..ModelOptions::default()
    };
    let error = open("attention.pt", double).calibrate_on_shapes(&shapes).unwrap_err().to_string();
    assert!(error.contains("`inputs = { x = "), "{error}");
}

#[test]
fn several_inputs_are_fed_by_name_from_an_archive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs.npz");
    let images = Tensor::rand([6, 1, 6, 6], (Kind::Float, Device::Cpu));
    let tokens = (Tensor::arange(24, (Kind::Int64, Device::Cpu)) * 7919).remainder(20).view([6, 4]);
    let write = |names: [&str; 2]| {
        Tensor::write_npz(&[(names[0], images.shallow_clone()), (names[1], tokens.shallow_clone())], &path).unwrap();
    };
    let measured = |model: &str| {
        let case = Case { model, profile: None, test: "pairs.npz", transform: "[]" };
        let mut declared = declaration(folder.path(), &case);
        declared.model = ModelChoice::file(model, fixture("kinds").join(model), DeviceChoice::Cpu);
        declared.batch = 4;
        measure::once(&declared, &["nc(threshold=0.25)".parse().unwrap()])
    };
    write(["image", "tokens"]);
    let values: Vec<Option<f64>> = ["several_inputs.pt", "several_inputs.scripted.pt", "several_inputs.pt2"]
        .map(|model| {
            measured(model).unwrap_or_else(|error| panic!("{model}: {error}")).criteria["nc(threshold=0.25)"].value
        })
        .to_vec();
    assert!(values[0].is_some_and(|value| value > 0.0) && values.iter().all(|value| *value == values[0]), "{values:?}");
    assert_eq!(measured("dict_input.pt").unwrap().data.inputs, 6, "the entries of the only argument go by their keys");
    assert_eq!(measured("dict_input.pt2").unwrap().data.inputs, 6);
    write(["pair.0", "pair.1"]);
    assert_eq!(measured("tuple_input.pt").unwrap().data.inputs, 6);
    let error = measured("several_inputs.pt").unwrap_err().to_string();
    assert!(error.contains("lacks the model's input `image`: it has pair.0, pair.1"), "{error}");
}
