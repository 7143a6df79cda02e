//! Module trees of torchvision's ResNets: every module in registration order, and the last call of each activation module.

mod common;
#[path = "common/resnet/mod.rs"]
mod resnet;

use cleanai_harness::declare::DeviceChoice;
use cleanai_harness::model::Model;
use common::{fixture, same, whole};
use resnet::Weights;
use resnet::archive::{Archive, OWN, Parts, Value};
use tch::{Device, Kind, Tensor};

/// What torchvision's own model of this depth has.
struct Expected {
    depth: usize,
    modules: usize,
    activations: usize,
    units: usize,
}

const EXPECTED: &[Expected] = &[
    Expected { depth: 18, modules: 68, activations: 9, units: 1_555_456 },
    Expected { depth: 34, modules: 116, activations: 17, units: 2_182_656 },
    Expected { depth: 50, modules: 151, activations: 17, units: 6_322_176 },
    Expected { depth: 101, modules: 287, activations: 34, units: 9_734_144 },
    Expected { depth: 152, modules: 423, activations: 51, units: 13_948_928 },
];

/// Writes and opens a ResNet.
fn open(folder: &tempfile::TempDir, depth: usize) -> Model {
    let path = folder.path().join(format!("resnet{depth}.pt"));
    resnet::write(depth, Weights::Shared, &path).unwrap();
    Model::open(&path, DeviceChoice::Cpu).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn resnets_have_the_modules_and_units_of_torchvision() {
    let folder = tempfile::tempdir().unwrap();
    let image = Tensor::zeros([1, 3, 224, 224], (Kind::Float, Device::Cpu));
    for expected in EXPECTED {
        let depth = expected.depth;
        let mut model = open(&folder, depth);
        assert_eq!(model.graph().modules.len(), expected.modules, "ResNet-{depth}: modules");
        let activations = model.activation_modules();
        assert_eq!(activations.len(), expected.activations, "ResNet-{depth}: activation modules");
        let shapes = model.calibrate(&[("x", &image)]).unwrap();
        let last_calls: Vec<_> = activations.iter().map(|module| &shapes[module.layer.unwrap()]).collect();
        let units: usize = last_calls.iter().map(|layer| layer.units()).sum();
        assert_eq!(units, expected.units, "ResNet-{depth}: units");
        for (module, layer) in activations.iter().zip(&last_calls) {
            let calls = match (module.path.as_str(), depth) {
                ("relu", _) => String::new(),
                (_, 18 | 34) => "#2".to_owned(),
                _ => "#3".to_owned(),
            };
            assert_eq!(layer.name, format!("{}{calls}", module.path), "ResNet-{depth}");
            assert_eq!((module.class.as_str(), layer.class.as_str()), ("ReLU", "ReLU"), "ResNet-{depth}");
            assert_eq!(model.graph().modules[module.index].path, module.path, "ResNet-{depth}");
        }
    }
}

#[test]
fn modules_are_in_registration_order() {
    let folder = tempfile::tempdir().unwrap();
    let model = open(&folder, 152);
    let indices: Vec<usize> = model.activation_modules().iter().map(|module| module.index).collect();
    assert_eq!(indices[..6], [3, 13, 24, 32, 41, 52]);
    let paths: Vec<&str> = model.graph().modules.iter().map(|module| module.path.as_str()).collect();
    let start = [
        "",
        "conv1",
        "bn1",
        "relu",
        "maxpool",
        "layer1",
        "layer1.0",
        "layer1.0.conv1",
        "layer1.0.bn1",
        "layer1.0.conv2",
        "layer1.0.bn2",
        "layer1.0.conv3",
        "layer1.0.bn3",
        "layer1.0.relu",
        "layer1.0.downsample",
        "layer1.0.downsample.0",
        "layer1.0.downsample.1",
        "layer1.1",
    ];
    assert_eq!(paths[..start.len()], start);
    assert_eq!(paths[paths.len() - 2..], ["avgpool", "fc"]);
    let classes: Vec<&str> = model.graph().modules[..7].iter().map(|module| module.class.as_str()).collect();
    assert_eq!(classes[0], "torchvision.models.resnet.ResNet");
    assert_eq!(classes[6], "torchvision.models.resnet.Bottleneck");
}

#[test]
fn a_run_of_the_deepest_is_that_of_libtorch() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = open(&folder, 152);
    tch::manual_seed(3);
    let image = Tensor::randn([1, 3, 64, 64], (Kind::Float, Device::Cpu));
    let ran = common::run(&mut model, &image);
    assert!(same(&ran.outputs[0], &whole(model.path(), &image)));
    for (layer, values) in ran.layers.iter().zip(&ran.values) {
        let largest = values.abs().max().double_value(&[]);
        assert!((1e-3..1e6).contains(&largest), "{}: values up to {largest}", layer.name);
    }
}

/// Index, path and class of every activation module, and the name of the layer its last call gives.
fn listed(model: &Model) -> Vec<(usize, String, String, Option<String>)> {
    let name = |index: usize| model.layers()[index].name.clone();
    let activations = model.activation_modules().into_iter();
    activations.map(|module| (module.index, module.path, module.class, module.layer.map(name))).collect()
}

#[test]
fn every_form_of_a_network_lists_the_same_activation_modules() {
    let relu = |index, path: &'static str, layer: &'static str| (index, path, "ReLU", layer);
    let networks = [
        (
            "resnet",
            vec![
                relu(3, "relu", "relu"),
                relu(8, "layer1.0.relu", "layer1.0.relu"),
                relu(15, "layer1.1.relu", "layer1.1.relu"),
                relu(23, "layer2.0.relu", "layer2.0.relu"),
                relu(33, "layer3.0.relu", "layer3.0.relu"),
            ],
        ),
        ("shared", vec![relu(2, "relu", "relu#2")]),
        ("in_place", vec![relu(2, "relu1", "relu1")]),
        ("concat", vec![(3, "act", "LeakyReLU", "act")]),
        ("mlp", vec![]),
    ];
    for (network, expected) in networks {
        for form in ["pt", "scripted.pt", "pt2"] {
            let path = fixture(&format!("models/{network}.{form}"));
            let model = Model::open(&path, DeviceChoice::Cpu).unwrap_or_else(|error| panic!("{error}"));
            let expected: Vec<_> = expected
                .iter()
                .map(|(index, path, class, layer)| {
                    (*index, (*path).to_owned(), (*class).to_owned(), Some((*layer).to_owned()))
                })
                .collect();
            assert_eq!(listed(&model), expected, "{network}.{form}");
        }
    }
}

#[test]
fn a_module_that_is_never_called_has_no_layer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("idle.pt");
    let mut archive = Archive::default();
    let mut activation = |name: &str, call: &str| {
        let methods = format!("  def forward(self: {OWN},\n    x: Tensor) -> Tensor:\n    return {call}\n");
        let class = archive.module("torch.nn.modules.activation", name, Parts { methods, ..Parts::default() });
        Value::Module(class)
    };
    let attributes = vec![
        ("last".to_owned(), activation("Sigmoid", "torch.sigmoid(x)")),
        ("idle".to_owned(), activation("Tanh", "torch.tanh(x)")),
        ("other".to_owned(), activation("GELU", "torch.gelu(x)")),
        ("first".to_owned(), activation("ELU", "torch.elu(x)")),
    ];
    let methods = format!(
        "  def forward(self: {OWN},\n    x: Tensor) -> Tensor:\n    \
         return (self.last).forward((self.other).forward((self.first).forward(x, ), ), )\n"
    );
    let root = archive.module("networks", "Idle", Parts { attributes, methods, ..Parts::default() });
    archive.write(&root, &path).unwrap();
    let model = Model::open(&path, DeviceChoice::Cpu).unwrap_or_else(|error| panic!("{error}"));
    let row = |index, name: &str, class: &str, layer: Option<&str>| {
        (index, name.to_owned(), class.to_owned(), layer.map(str::to_owned))
    };
    let expected =
        [row(1, "last", "Sigmoid", Some("last")), row(2, "idle", "Tanh", None), row(4, "first", "ELU", Some("first"))];
    assert_eq!(listed(&model), expected);
}
