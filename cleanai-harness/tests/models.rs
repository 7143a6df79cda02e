//! Models of both formats: the same layers, the same outputs as libtorch's own forward, bit for bit.

use std::path::{Path, PathBuf};

use cleanai_harness::declare::DeviceChoice;
use cleanai_harness::model::{Model, Observed};
use tch::{Kind, Tensor};

/// The folder of real models and data; `None`, loudly, where this machine has none.
fn data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("CLEANAI_DATA").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no real models at {} (set CLEANAI_DATA)", folder.display());
    None
}

fn inputs(shape: &[i64]) -> Tensor {
    tch::manual_seed(7);
    Tensor::rand(shape, (Kind::Float, tch::Device::Cpu))
}

/// Layer names and shapes, and the outputs.
fn run(path: &Path, input: &Tensor) -> (Vec<String>, Vec<Tensor>, Vec<Tensor>) {
    let mut model = Model::open(path, DeviceChoice::Cpu).unwrap_or_else(|error| panic!("{error}"));
    let mut shapes = vec![String::new(); model.layers().len()];
    let mut layers: Vec<Tensor> = (0..shapes.len()).map(|_| Tensor::new()).collect();
    let described: Vec<_> = model.layers().to_vec();
    let outputs = model
        .run(&[input], &mut |observed, tensor| {
            if let Observed::Layer(index) = observed {
                let size: Vec<usize> = tensor.size().iter().map(|n| *n as usize).collect();
                let info = described[index].with_shape(&size);
                shapes[index] = format!("{} {} {} {}", info.name, info.class, info.operator, info.channels());
                layers[index] = tensor.copy();
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    (shapes, layers, outputs)
}

fn same(a: &Tensor, b: &Tensor) -> bool {
    a.size() == b.size() && a.kind() == b.kind() && a.equal(b)
}

fn whole(path: &Path, input: &Tensor) -> Tensor {
    tch::jit::f_set_profiling_mode(false).unwrap();
    let module = tch::CModule::load(path).unwrap();
    tch::no_grad(|| module.forward_ts(&[input]).unwrap())
}

#[test]
fn the_three_forms_of_a_model_agree() {
    let Some(data) = data() else { return };
    let cases = [
        ("lenet/deepxplore_lenet1", [5, 1, 28, 28]),
        ("lenet/deepxplore_lenet4", [5, 1, 28, 28]),
        ("lenet/deepxplore_lenet5", [5, 1, 28, 28]),
        ("cifar10/resnet20", [5, 3, 32, 32]),
    ];
    for (name, shape) in cases {
        let input = inputs(&shape);
        let traced = run(&data.join(format!("{name}.traced.pt")), &input);
        let scripted = run(&data.join(format!("{name}.scripted.pt")), &input);
        let exported = run(&data.join(format!("{name}.pt2")), &input);
        assert!(!traced.0.is_empty());
        assert_eq!(traced.0, scripted.0, "{name}");
        assert_eq!(traced.0, exported.0, "{name}");
        let reference = whole(&data.join(format!("{name}.traced.pt")), &input);
        for (form, (_, layers, outputs)) in [("traced", &traced), ("scripted", &scripted), ("exported", &exported)] {
            assert!(same(&outputs[0], &reference), "{name} {form}: the output differs from libtorch's own");
            for (index, layer) in layers.iter().enumerate() {
                assert!(same(layer, &traced.1[index]), "{name} {form}: {}", traced.0[index]);
            }
        }
        eprintln!("{name}: {} layers {:?}", traced.0.len(), traced.0);
    }
}
