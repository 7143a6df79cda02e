//! Real models of both formats: the same layers, the same outputs as libtorch's own forward, bit for bit.

mod common;

use cleanai_harness::declare::DeviceChoice;
use cleanai_harness::model::Model;
use common::{Ran, real_data, run, same, whole};
use tch::{Kind, Tensor};

#[test]
fn the_three_forms_of_a_model_agree() {
    let Some(data) = real_data() else { return };
    let cases = [
        ("lenet/deepxplore_lenet1", [5, 1, 28, 28]),
        ("lenet/deepxplore_lenet4", [5, 1, 28, 28]),
        ("lenet/deepxplore_lenet5", [5, 1, 28, 28]),
        ("cifar10/resnet20", [5, 3, 32, 32]),
    ];
    for (name, shape) in cases {
        tch::manual_seed(7);
        let input = Tensor::rand(shape.as_slice(), (Kind::Float, tch::Device::Cpu));
        let open = |form: &str| -> Ran {
            let path = data.join(format!("{name}.{form}"));
            run(&mut Model::open(&path, DeviceChoice::Cpu).unwrap_or_else(|error| panic!("{error}")), &input)
        };
        let traced = open("traced.pt");
        assert!(!traced.layers.is_empty());
        let reference = whole(&data.join(format!("{name}.traced.pt")), &input);
        for form in ["traced.pt", "scripted.pt", "pt2"] {
            let ran = open(form);
            assert_eq!(ran.layers, traced.layers, "{name} {form}");
            assert!(same(&ran.outputs[0], &reference), "{name} {form}: the output differs from libtorch's own");
            for (index, layer) in ran.values.iter().enumerate() {
                assert!(same(layer, &traced.values[index]), "{name} {form}: {}", traced.layers[index].name);
            }
        }
    }
}
