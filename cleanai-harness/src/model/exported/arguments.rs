//! Arguments of operators: constants, values, and lists of both.

use serde_json::Value as Json;

use super::archive::Archive;
use super::build::Builder;
use super::schema::{Argument, reference, single};
use crate::model::graph::ValueId;
use crate::model::torchscript::ffi::{Constant, Element};
use crate::{Error, Result};

impl Builder<'_> {
    /// The value of an argument; the values it reads are added to `read`, flat, in order.
    pub fn argument(&mut self, target: &str, argument: &Argument, read: &mut Vec<ValueId>) -> Result<ValueId> {
        let (kind, json) =
            single(argument).ok_or_else(|| self.damaged(format_args!("{target} has an argument without a kind")))?;
        let unsupported = |archive: &Archive| {
            archive
                .error(format!("{target} has an argument of kind {}, which is not supported", kind.escape_debug()))
                .with_help("export the model without it: torch.export.export(...).run_decompositions() may replace it")
        };
        let damaged = |archive: &Archive| {
            archive
                .error(format!("{target} has a damaged argument of kind {kind}"))
                .with_help("copy or export it again")
        };
        match kind {
            "as_none" => self.constant(&Constant::None),
            "as_tensor" | "as_sym_int" | "as_sym_bool" | "as_sym_float" => self.scalar_or_value(kind, json, read),
            "as_bool" => {
                let value = json.as_bool().ok_or_else(|| damaged(self.archive))?;
                self.constant(&Constant::Bool(value))
            }
            "as_int" => {
                let value = json.as_i64().ok_or_else(|| damaged(self.archive))?;
                self.constant(&Constant::Integer(value))
            }
            "as_float" => {
                let value = number(json).ok_or_else(|| damaged(self.archive))?;
                self.constant(&Constant::Number(value))
            }
            "as_string" => {
                let value = json.as_str().ok_or_else(|| damaged(self.archive))?.to_owned();
                self.constant(&Constant::Text(value))
            }
            "as_scalar_type" => {
                let value = json.as_i64().and_then(scalar_type).ok_or_else(|| unsupported(self.archive))?;
                self.constant(&Constant::Integer(value))
            }
            "as_layout" => match json.as_i64() {
                Some(7) => self.constant(&Constant::Integer(0)),
                _ => Err(unsupported(self.archive)),
            },
            "as_memory_format" => {
                // The schema counts contiguous, channels last, channels last 3d, preserve from 1; libtorch has its own order.
                let value = match json.as_i64() {
                    Some(1) => 0,
                    Some(2) => 2,
                    Some(3) => 3,
                    Some(4) => 1,
                    _ => return Err(unsupported(self.archive)),
                };
                self.constant(&Constant::Integer(value))
            }
            "as_device" => {
                json.get("type").and_then(Json::as_str).ok_or_else(|| damaged(self.archive))?;
                // Wherever it was exported, all of it runs on one device.
                let name = self.device.map_or("cpu".to_owned(), |index| format!("cuda:{index}"));
                self.constant(&Constant::Device(name))
            }
            "as_optional_tensor" => match json.as_object().and_then(|object| object.get("as_tensor")) {
                Some(tensor) => self.scalar_or_value(kind, tensor, read),
                None if json.get("as_none").is_some() => self.constant(&Constant::None),
                None => Err(damaged(self.archive)),
            },
            "as_ints" | "as_sym_ints" => self.list(Element::Integer, "as_sym_int", json, target, read),
            "as_floats" | "as_sym_floats" => self.list(Element::Number, "as_sym_float", json, target, read),
            "as_bools" | "as_sym_bools" => self.list(Element::Bool, "as_sym_bool", json, target, read),
            "as_strings" => self.list(Element::Text, "as_string", json, target, read),
            "as_tensors" => self.list(Element::Tensor, "as_tensor", json, target, read),
            "as_optional_tensors" => self.list(Element::OptionalTensor, "as_tensor", json, target, read),
            _ => Err(unsupported(self.archive)),
        }
    }

    fn scalar_or_value(&mut self, kind: &str, json: &Json, read: &mut Vec<ValueId>) -> Result<ValueId> {
        if let Some(name) = reference(json) {
            let id = self.values.get(name).copied();
            let unknown = || {
                self.archive
                    .error(format!("its graph is damaged: it reads the value {name:?}, which nothing before makes"))
            };
            let id = id.ok_or_else(|| unknown().with_help("copy or export it again"))?;
            read.push(id);
            return Ok(id);
        }
        let plain = ["as_int", "as_bool", "as_float"].iter().find_map(|key| json.get(key)).unwrap_or(json);
        match plain {
            Json::Bool(value) => self.constant(&Constant::Bool(*value)),
            Json::Number(value) if kind != "as_sym_float" && value.is_i64() => {
                self.constant(&Constant::Integer(value.as_i64().unwrap_or_default()))
            }
            other => {
                let value = number(other)
                    .ok_or_else(|| self.damaged(format_args!("an operator has a damaged argument of kind {kind}")))?;
                self.constant(&Constant::Number(value))
            }
        }
    }

    fn list(
        &mut self,
        element: Element,
        kind: &str,
        json: &Json,
        target: &str,
        read: &mut Vec<ValueId>,
    ) -> Result<ValueId> {
        let items = json.as_array().ok_or_else(|| self.damaged(format_args!("{target} has a damaged list")))?;
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            let value = match (element, item.as_object()) {
                (Element::OptionalTensor, Some(object)) if object.contains_key("as_none") => {
                    self.constant(&Constant::None)?
                }
                (Element::OptionalTensor, Some(object)) if object.contains_key("as_tensor") => {
                    self.scalar_or_value(kind, &object["as_tensor"], read)?
                }
                (Element::Text, _) => {
                    let text =
                        item.as_str().ok_or_else(|| self.damaged(format_args!("{target} has a damaged list")))?;
                    self.constant(&Constant::Text(text.to_owned()))?
                }
                _ => self.scalar_or_value(kind, item, read)?,
            };
            values.push(value);
        }
        self.program.list(element, &values).map_err(|e| self.explain(target, &e))
    }

    fn damaged(&self, what: std::fmt::Arguments<'_>) -> Error {
        self.archive.error(what).with_help("copy or export it again")
    }

    fn constant(&mut self, constant: &Constant) -> Result<ValueId> {
        let key = format!("{constant:?}");
        if let Some(id) = self.constants.get(&key) {
            return Ok(*id);
        }
        let id = self.program.constant(constant).map_err(|e| self.explain("a constant", &e))?;
        self.constants.insert(key, id);
        Ok(id)
    }
}

/// JSON has no infinities; the exporter writes them as strings.
fn number(json: &Json) -> Option<f64> {
    match json {
        Json::String(text) => match text.as_str() {
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            "NaN" => Some(f64::NAN),
            _ => None,
        },
        other => other.as_f64(),
    }
}

/// libtorch's number of a schema scalar type: the schema counts from 1 and has its own place for bfloat16.
fn scalar_type(schema: i64) -> Option<i64> {
    match schema {
        1..=12 => Some(schema - 1),
        13 => Some(15),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalar_types_follow_the_schema() {
        assert_eq!(scalar_type(7), Some(6));
        assert_eq!(scalar_type(13), Some(15));
        assert_eq!(scalar_type(0), None);
    }

    #[test]
    fn numbers_may_be_written_as_strings() {
        assert_eq!(number(&Json::from("-Infinity")), Some(f64::NEG_INFINITY));
        assert_eq!(number(&Json::from(2)), Some(2.0));
        assert_eq!(number(&Json::from("2")), None);
    }
}
