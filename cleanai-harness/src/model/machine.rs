//! What of the machine decides the last digits of a model's outputs.

use std::env;
use std::fs;

use serde::{Deserialize, Serialize};

use super::{device, device_name, libtorch_version};
use crate::Result;
use crate::declare::DeviceChoice;

/// Variables of the environment that choose kernels and their precision begin like this.
const KERNEL_VARIABLES: [&str; 9] =
    ["ATEN_", "CUBLAS_", "CUDA_", "CUDNN_", "DNNL_", "MKL_", "NVIDIA_TF32", "ONEDNN_", "TORCH_"];

/// The machine a model runs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// `cpu` or `cuda:0`.
    pub device: String,
    pub libtorch: String,
    /// Threads that share an operator: sums are split among them.
    pub threads: i64,
    /// The processor's architecture and vector instructions.
    pub processor: String,
    /// Models of the GPUs and version of their driver, where it runs on one.
    pub gpus: Vec<String>,
    /// Variables that choose kernels.
    pub variables: Vec<(String, String)>,
}

/// The machine as it is, for a model on a device.
///
/// # Errors
/// If the device is not there.
pub(crate) fn machine(choice: DeviceChoice) -> Result<Machine> {
    let index = device::choose(choice)?;
    let chooses = |(name, _): &(String, String)| KERNEL_VARIABLES.iter().any(|start| name.starts_with(start));
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
    };
    let mut variables: Vec<(String, String)> = env::vars_os().map(text).filter(chooses).collect();
    variables.sort();
    Ok(Machine {
        device: device_name(index.map_or(tch::Device::Cpu, tch::Device::Cuda)),
        libtorch: libtorch_version(),
        threads: i64::from(tch::get_num_threads()),
        processor: processor(),
        gpus: index.map(|_| gpus()).unwrap_or_default(),
        variables,
    })
}

fn processor() -> String {
    #[allow(unused_mut, reason = "other architectures add nothing")]
    let mut text = env::consts::ARCH.to_owned();
    #[cfg(target_arch = "x86_64")]
    for (name, there) in [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512vl", is_x86_feature_detected!("avx512vl")),
        ("avx512vnni", is_x86_feature_detected!("avx512vnni")),
        ("avx512bf16", is_x86_feature_detected!("avx512bf16")),
    ] {
        if there {
            text += " ";
            text += name;
        }
    }
    text
}

/// What the driver tells of its GPUs; nothing where it has no such files.
fn gpus() -> Vec<String> {
    let mut gpus: Vec<String> = fs::read_dir("/proc/driver/nvidia/gpus")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|gpu| fs::read_to_string(gpu.path().join("information")).ok())
        .filter_map(|text| text.lines().find(|line| line.starts_with("Model")).map(str::to_owned))
        .collect();
    gpus.sort();
    gpus.extend(fs::read_to_string("/proc/driver/nvidia/version").ok());
    gpus
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_twice_and_of_its_device() {
        let here = machine(DeviceChoice::Cpu).unwrap();
        assert_eq!(here, machine(DeviceChoice::Cpu).unwrap());
        assert_eq!((here.device.as_str(), here.gpus.is_empty()), ("cpu", true));
        assert!(here.threads >= 1 && here.processor.starts_with(env::consts::ARCH));
        assert!(machine(DeviceChoice::Cuda(99)).is_err());
    }
}
