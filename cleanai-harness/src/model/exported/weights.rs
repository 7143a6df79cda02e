//! Weights, buffers and constants: from the archive's bytes to tensors, after sizes, strides and offsets are checked.

use std::collections::HashMap;

use serde_json::Value as Json;
use tch::{Device, Kind, Tensor};

use super::archive::{Archive, Payloads};
use super::schema::{Payload, TensorMeta};
use super::state_dict::{Saved, StateDict};
use crate::model::signature::ElementType;
use crate::model::torchscript::archive::fits;
use crate::model::torchscript::first_paragraph;
use crate::model::torchscript::pickle::View;
use crate::{Error, Result};

/// The stored values, each read once.
pub struct Weights {
    weights: Payloads,
    constants: Payloads,
    device: Device,
    loaded: HashMap<String, Tensor>,
    /// The same tensors by where their values are: tied weights are one tensor.
    shared: HashMap<String, Tensor>,
    /// Members that are read, by place and name, as flat tensors: weights may share one.
    members: HashMap<String, Tensor>,
}

/// A tensor as it is described, before its values are looked at.
struct Described {
    kind: Kind,
    view: View,
    member: String,
}

impl Weights {
    pub fn open(archive: &mut Archive, device: Option<usize>) -> Result<Self> {
        Ok(Self {
            weights: archive.payloads("weights")?,
            constants: archive.payloads("constants")?,
            device: device.map_or(Device::Cpu, Device::Cuda),
            loaded: HashMap::new(),
            shared: HashMap::new(),
            members: HashMap::new(),
        })
    }

    /// The tensor of this name, on the device.
    pub fn get(&mut self, archive: &mut Archive, name: &str) -> Result<&Tensor> {
        if !self.loaded.contains_key(name) {
            let (place, tensor) = self.load(archive, name)?;
            let tensor = match self.shared.get(&place) {
                Some(tied) => tied.shallow_clone(),
                None => tensor.f_to_device(self.device).map_err(|why| {
                    let why = first_paragraph(&why.to_string());
                    bad(archive, name, format_args!("does not fit on the device: {why}"))
                        .with_help("set device = \"cpu\", or export a smaller model")
                })?,
            };
            self.shared.insert(place, tensor.shallow_clone());
            self.loaded.insert(name.to_owned(), tensor);
        }
        Ok(&self.loaded[name])
    }

    /// A weight, and a text that tells where its values are.
    fn load(&mut self, archive: &mut Archive, name: &str) -> Result<(String, Tensor)> {
        for (folder, payloads) in [("weights", &mut self.weights), ("constants", &mut self.constants)] {
            match payloads {
                Payloads::Table(table) => {
                    let Some(payload) = table.config.get(name) else { continue };
                    check_path(archive, name, folder, payload)?;
                    let member = format!("data/{folder}/{}", payload.path_name);
                    if payload.use_pickle {
                        let mut saved = archive.saved(&member)?;
                        let described = saved.get(name).map(|tensor| of_saved(archive, name, tensor)).transpose()?;
                        let Some(described) = described else {
                            return Err(bad(archive, name, format_args!("is not in {}", member.escape_debug()))
                                .with_help("copy or export it again"));
                        };
                        return tensor(archive, Some(&mut saved), &mut self.members, &member, name, &described);
                    }
                    let described = of_payload(archive, name, payload, member)?;
                    return tensor(archive, None, &mut self.members, folder, name, &described);
                }
                Payloads::StateDict(saved) => {
                    let Some(found) = saved.get(name) else { continue };
                    let described = of_saved(archive, name, found)?;
                    return tensor(archive, Some(saved), &mut self.members, folder, name, &described);
                }
            }
        }
        Err(archive
            .error(format!("{} has no values in the archive", name.escape_debug()))
            .with_help("copy or export it again"))
    }
}

fn bad(archive: &Archive, name: &str, why: impl std::fmt::Display) -> Error {
    archive.error(format!("weight {} {why}", name.escape_debug()))
}

fn check_path(archive: &Archive, name: &str, folder: &str, payload: &Payload) -> Result<()> {
    if payload.path_name.contains(['/', '\\']) || payload.path_name == ".." {
        let why =
            format!("has its values in {:?}, which leads outside the archive's folder of {folder}", payload.path_name);
        return Err(bad(archive, name, why)
            .with_help("no export writes such a name; get the file again from where it comes from"));
    }
    Ok(())
}

fn of_payload(archive: &Archive, name: &str, payload: &Payload, member: String) -> Result<Described> {
    let Some(meta) = &payload.tensor_meta else {
        return Err(
            bad(archive, name, "has no description").with_help("export the model with plain tensors as weights")
        );
    };
    let kind = scalar_kind(meta.dtype).ok_or_else(|| unknown_type(archive, name, &meta.dtype))?;
    let (sizes, strides) = (TensorMeta::fixed(&meta.sizes), TensorMeta::fixed(&meta.strides));
    let offset = meta.storage_offset.get("as_int").and_then(Json::as_i64);
    let (Some(sizes), Some(strides), Some(offset)) = (sizes, strides, offset) else {
        return Err(bad(archive, name, "has a size that is no number").with_help("copy or export it again"));
    };
    Ok(Described { kind, view: View { storage: 0, offset, sizes, strides }, member })
}

fn of_saved(archive: &Archive, name: &str, saved: Saved) -> Result<Described> {
    let kind = storage_kind(&saved.class).ok_or_else(|| unknown_type(archive, name, &saved.class.escape_debug()))?;
    let Saved { member, offset, sizes, strides, .. } = saved;
    Ok(Described { kind, view: View { storage: 0, offset, sizes, strides }, member })
}

fn unknown_type(archive: &Archive, name: &str, kind: &dyn std::fmt::Display) -> Error {
    bad(archive, name, format_args!("has the unknown type {kind}"))
        .with_help("export the model with weights of a plain type: float32, float16, bfloat16, int64, bool")
}

/// The view of the stored values that a weight is. `place` tells members of the same name apart.
fn tensor(
    archive: &mut Archive,
    mut saved: Option<&mut StateDict>,
    members: &mut HashMap<String, Tensor>,
    place: &str,
    name: &str,
    described: &Described,
) -> Result<(String, Tensor)> {
    let Described { kind, view, member } = described;
    let width = kind.elt_size_in_bytes() as u64;
    let size = match &mut saved {
        Some(saved) => saved.size(member),
        None => archive.size(member),
    };
    let Some(size) = size else {
        let why = format!("has its values in {}, which is missing in the archive", member.escape_debug());
        return Err(bad(archive, name, why).with_help("copy or export it again"));
    };
    if view.sizes.iter().chain(&view.strides).any(|number| *number < 0) {
        return Err(bad(archive, name, "has a negative size or stride").with_help("copy or export it again"));
    }
    let stored = size / width;
    let elements = view.sizes.iter().fold(1i128, |count, size| count.saturating_mul(i128::from(*size)));
    let largest = i128::from(i64::MAX) / i128::from(width);
    if elements > largest || !fits(view, i64::try_from(stored).unwrap_or(i64::MAX)) {
        let mut shape = format!("has the shape {:?}, but only {stored} values are stored in the archive", view.sizes);
        if i128::from(stored) >= elements {
            shape = format!(
                "has the shape {:?} with strides {:?} from {}, which leads outside the {stored} values stored in the archive",
                view.sizes, view.strides, view.offset
            );
        }
        return Err(bad(archive, name, shape).with_help("copy or export it again"));
    }
    let refused = |archive: &Archive, why: tch::TchError| bad(archive, name, first_paragraph(&why.to_string()));
    let key = format!("{place} {member} {kind:?}");
    let exact = format!("{key} {view:?}");
    if elements == 0 {
        let empty = Tensor::f_zeros(&view.sizes, (*kind, Device::Cpu));
        return empty.map(|empty| (exact, empty)).map_err(|why| refused(archive, why));
    }
    if !members.contains_key(&key) {
        let bytes = match &mut saved {
            Some(saved) => saved.member(member, size)?,
            None => archive.member(member, size)?,
        };
        // fits() holds, so there is at least one whole value; what is left of another is no one's.
        let whole = bytes.len() - bytes.len() % kind.elt_size_in_bytes();
        let count = i64::try_from(whole as u64 / width).unwrap_or(i64::MAX);
        let flat = Tensor::f_from_data_size(&bytes[..whole], &[count], *kind).map_err(|why| refused(archive, why))?;
        members.insert(key.clone(), flat);
    }
    let strided = members[&key].f_as_strided(&view.sizes, &view.strides, view.offset);
    let strided = strided.map_err(|why| refused(archive, why))?;
    // A view of an oversized storage would keep all of it.
    Ok((exact, if elements < i128::from(stored) { strided.copy() } else { strided }))
}

/// Every element type that is read: the schema's number, the class of its storages, tch's and our own name.
const TYPES: [(i64, &str, Kind, ElementType); 10] = [
    (1, "ByteStorage", Kind::Uint8, ElementType::Uint8),
    (2, "CharStorage", Kind::Int8, ElementType::Int8),
    (3, "ShortStorage", Kind::Int16, ElementType::Int16),
    (4, "IntStorage", Kind::Int, ElementType::Int32),
    (5, "LongStorage", Kind::Int64, ElementType::Int64),
    (6, "HalfStorage", Kind::Half, ElementType::Float16),
    (7, "FloatStorage", Kind::Float, ElementType::Float32),
    (8, "DoubleStorage", Kind::Double, ElementType::Float64),
    (12, "BoolStorage", Kind::Bool, ElementType::Bool),
    (13, "BFloat16Storage", Kind::BFloat16, ElementType::Bfloat16),
];

fn scalar_kind(schema: i64) -> Option<Kind> {
    TYPES.iter().find(|(number, ..)| *number == schema).map(|(_, _, kind, _)| *kind)
}

fn storage_kind(class: &str) -> Option<Kind> {
    TYPES.iter().find(|(_, name, ..)| *name == class).map(|(_, _, kind, _)| *kind)
}

/// The element type of a schema number.
pub fn element_type(schema: i64) -> Option<ElementType> {
    TYPES.iter().find(|(number, ..)| *number == schema).map(|(.., element)| *element)
}

/// The element type of a tensor.
pub fn element_of(tensor: &Tensor) -> Option<ElementType> {
    TYPES.iter().find(|(_, _, kind, _)| *kind == tensor.kind()).map(|(.., element)| *element)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn element_types_follow_the_schema() {
        assert_eq!(scalar_kind(7), Some(Kind::Float));
        assert_eq!(scalar_kind(0), None);
        assert_eq!(storage_kind("LongStorage"), Some(Kind::Int64));
        assert_eq!(storage_kind("QInt8Storage"), None);
        assert_eq!(element_type(13), Some(ElementType::Bfloat16));
    }
}
