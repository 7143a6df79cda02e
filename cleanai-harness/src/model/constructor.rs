//! Models that Rust code builds, registered under a name by `#[cleanai::model]`.

use tch::Device;

use super::{Model, device};
use crate::declare::ModelOptions;
use crate::private::ModelRegistration;
use crate::{Error, ErrorKind, Result};

/// Builds the model registered under this name, on the device chosen.
///
/// # Errors
/// If none or several are, or what the constructor returns.
pub fn build(name: &str, options: &ModelOptions) -> Result<Model> {
    let mut found = registered().filter(|registration| registration.name == name);
    let (Some(registration), other) = (found.next(), found.next()) else {
        return Err(Error::new(ErrorKind::Configuration, format!("no function `{name}` is marked #[cleanai::model]")));
    };
    if let Some(other) = other {
        return Err(Error::new(
            ErrorKind::Configuration,
            format!(
                "two functions are models named `{name}`: {}:{} and {}:{}",
                registration.file, registration.line, other.file, other.line
            ),
        )
        .with_help("give one of them another name"));
    }
    let device = device::choose(options.device)?.map_or(Device::Cpu, Device::Cuda);
    let mut model = (registration.build)(device)
        .map_err(|why| Error::new(ErrorKind::Model, format!("the model `{name}` cannot be built: {why}")))?;
    model.options = ModelOptions { device: model.options.device, ..options.clone() };
    model.path = name.into();
    Ok(model)
}

fn registered() -> impl Iterator<Item = &'static ModelRegistration> {
    inventory::iter::<ModelRegistration>.into_iter()
}
