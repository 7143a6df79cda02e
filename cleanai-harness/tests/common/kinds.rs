//! The networks of `fixtures/kinds` and the inputs they were made with.

use serde_json::Value;
use tch::{Kind, Tensor};

/// A list of numbers.
pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn kind(name: &str) -> Kind {
    match name {
        "float32" => Kind::Float,
        "float16" => Kind::Half,
        "bfloat16" => Kind::BFloat16,
        "int64" => Kind::Int64,
        other => panic!("no type {other}"),
    }
}

/// The inputs of a file by name, as the script made them.
pub fn inputs(file: &Value) -> Vec<(String, Tensor)> {
    let inputs = file["inputs"].as_array().unwrap().iter();
    inputs
        .map(|input| {
            let shape: Vec<i64> = numbers(&input["shape"]).iter().map(|size| *size as i64).collect();
            let count: i64 = shape.iter().product();
            let values = match input["vocabulary"].as_i64() {
                Some(vocabulary) => Tensor::from_slice(&(0..count).map(|i| i * 7919 % vocabulary).collect::<Vec<_>>()),
                None => Tensor::from_slice(&(0..count).map(|i| (i * 7919 % 17 - 8) as f32 / 8.0).collect::<Vec<_>>()),
            };
            let values = values.view(shape.as_slice()).to_kind(kind(input["dtype"].as_str().unwrap()));
            (input["name"].as_str().unwrap().to_owned(), values)
        })
        .collect()
}
