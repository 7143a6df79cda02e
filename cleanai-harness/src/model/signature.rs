//! What `forward` takes, and how named arrays become its arguments. Plain data: no torch here.

use crate::declare::nearest::nearest;
use crate::{Error, ErrorKind, Result};

/// The type of a tensor's elements, by torch's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum ElementType {
    Bool,
    Uint8,
    Int8,
    Int16,
    Int32,
    Int64,
    Float16,
    Bfloat16,
    Float32,
    Float64,
}

impl ElementType {
    /// Every type and its name.
    pub const NAMES: [(&'static str, Self); 10] = [
        ("bool", Self::Bool),
        ("uint8", Self::Uint8),
        ("int8", Self::Int8),
        ("int16", Self::Int16),
        ("int32", Self::Int32),
        ("int64", Self::Int64),
        ("float16", Self::Float16),
        ("bfloat16", Self::Bfloat16),
        ("float32", Self::Float32),
        ("float64", Self::Float64),
    ];

    /// `float32`
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    /// Whether it holds whole numbers only (truth values among them).
    pub fn is_integer(self) -> bool {
        !matches!(self, Self::Float16 | Self::Bfloat16 | Self::Float32 | Self::Float64)
    }
}

/// What is known of one tensor that is fed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TensorType {
    /// Its elements; `None` where the file does not tell.
    pub element: Option<ElementType>,
    /// Its sizes, batch axis included, `None` for a size that may vary; empty where the file does not tell.
    pub shape: Option<Vec<Option<usize>>>,
}

/// A number, truth value or text that is no tensor.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

/// The type of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgumentType {
    /// A tensor.
    Tensor(TensorType),
    /// A value or nothing.
    Optional(Box<ArgumentType>),
    /// Values in a fixed order, each with the name it is fed by (its field, its key or its place).
    Structure(Vec<(String, ArgumentType)>),
    /// Any number of values of one type.
    List(Box<ArgumentType>),
    /// Values of one type under keys of the user's choice.
    Dictionary(Box<ArgumentType>),
    /// An integer, a number, a truth value or a text: `int`, `float`, `bool`, `str`.
    Scalar(String),
    /// Something that cannot be fed, as the file names it.
    Other(String),
}

/// One argument of `forward`.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ArgumentType,
    /// Whether it may be left out.
    pub has_default: bool,
}

/// One argument made of what was given.
#[derive(Debug, Clone, PartialEq)]
pub enum Fed<T> {
    /// A tensor.
    Tensor(T),
    /// Nothing.
    None,
    /// What `forward` takes by default.
    Default,
    /// The elements of a structure.
    Structure(Vec<Fed<T>>),
    /// The elements of a list.
    List(Vec<Fed<T>>),
    /// The entries of a dictionary.
    Dictionary(Vec<(String, Fed<T>)>),
}

/// A tensor of the signature, with the name it is fed by: `x`, `pair.0`, `batch.image`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf<'a> {
    /// The name.
    pub name: String,
    /// What is known of it.
    pub tensor: &'a TensorType,
    /// Whether it must be there.
    pub required: bool,
}

/// The tensors of a signature in order. A list counts with a first element `name.0`, a dictionary with an entry `name.*`.
pub fn leaves(arguments: &[Argument]) -> Vec<Leaf<'_>> {
    let mut found = Vec::new();
    for argument in arguments {
        collect(&argument.name, &argument.kind, !argument.has_default, &mut found);
    }
    found
}

fn collect<'a>(name: &str, kind: &'a ArgumentType, required: bool, found: &mut Vec<Leaf<'a>>) {
    match kind {
        ArgumentType::Tensor(tensor) => found.push(Leaf { name: name.to_owned(), tensor, required }),
        ArgumentType::Optional(inner) => collect(name, inner, false, found),
        ArgumentType::Structure(fields) => {
            for (field, kind) in fields {
                collect(&format!("{name}.{field}"), kind, required, found);
            }
        }
        ArgumentType::List(inner) => collect(&format!("{name}.0"), inner, required, found),
        ArgumentType::Dictionary(inner) => collect(&format!("{name}.*"), inner, required, found),
        ArgumentType::Scalar(_) | ArgumentType::Other(_) => {}
    }
}

/// The type a signature gives the tensor fed by this name.
pub fn type_of<'a>(arguments: &'a [Argument], name: &str) -> Option<&'a TensorType> {
    let leaves = leaves(arguments);
    if let [only] = &leaves[..] {
        return Some(only.tensor);
    }
    let prefixed = match arguments {
        [only] => format!("{}.{name}", only.name),
        _ => String::new(),
    };
    let fits = |leaf: &Leaf<'_>, name: &str| {
        let pattern = leaf.name.split('.');
        pattern.clone().count() == name.split('.').count()
            && pattern.zip(name.split('.')).all(|(want, have)| {
                want == have || want == "*" || (want == "0" && have.bytes().all(|byte| byte.is_ascii_digit()))
            })
    };
    let exact = leaves.iter().find(|leaf| leaf.name == name || leaf.name == prefixed);
    let found = exact.or_else(|| leaves.iter().find(|leaf| fits(leaf, name) || fits(leaf, &prefixed)));
    found.map(|leaf| leaf.tensor)
}

/// Makes the arguments of named values.
///
/// One value for a signature with one tensor goes there whatever its name. Otherwise values are told by name: `tokens`, `pair.0`
/// (an element of a tuple or list), `batch.image` (an entry of a dictionary or a field of a named tuple); where there is only one
/// argument its own name may be left out. Values named `arr_0`, `arr_1`, ... (numpy's own) go by position.
///
/// # Errors
/// If a value is missing or has no place, or if an argument is of a type that cannot be fed.
pub fn bind<T: Clone>(arguments: &[Argument], values: &[(&str, T)]) -> Result<Vec<Fed<T>>> {
    let leaves = leaves(arguments);
    let required: Vec<&Leaf<'_>> = leaves.iter().filter(|leaf| leaf.required).collect();
    let open_ended = leaves.iter().any(|leaf| leaf.name.ends_with(".*"));
    let mut named: Vec<(String, T, bool)> = match (&required[..], values) {
        ([only], [(_, value)]) if !open_ended && values.iter().all(|(name, _)| !is_leaf(&leaves, name)) => {
            vec![(only.name.clone(), value.clone(), false)]
        }
        // Other arrays beside `x` are not the model's.
        ([only], _) if leaves.len() == 1 && !open_ended && !values.iter().any(|(name, _)| *name == only.name) => {
            let x = values.iter().find(|(name, _)| *name == "x");
            x.into_iter().map(|(_, value)| (only.name.clone(), value.clone(), false)).collect()
        }
        _ if values.len() > 1
            && values.len() <= leaves.len()
            && values.iter().enumerate().all(|(at, (name, _))| *name == format!("arr_{at}")) =>
        {
            let places = leaves.iter().zip(values);
            places.map(|(leaf, (_, value))| (leaf.name.clone(), value.clone(), false)).collect()
        }
        _ => values.iter().map(|(name, value)| ((*name).to_owned(), value.clone(), false)).collect(),
    };
    if let [only] = arguments {
        let prefix = format!("{}.", only.name);
        let container = !matches!(only.kind, ArgumentType::Tensor(_));
        for (name, ..) in named.iter_mut().filter(|(name, ..)| container && !name.starts_with(&prefix)) {
            if *name != only.name {
                *name = format!("{prefix}{name}");
            }
        }
    }
    let mut fed = Vec::with_capacity(arguments.len());
    for argument in arguments {
        fed.push(match feed(&argument.name, &argument.kind, &mut named)? {
            Some(fed) => fed,
            None if argument.has_default => Fed::Default,
            None => return Err(missing(&argument.name, &argument.kind, arguments, values)),
        });
    }
    if let Some((name, ..)) = named.iter().find(|(.., used)| !used) {
        let names: Vec<String> = leaves.iter().map(|leaf| leaf.name.clone()).collect();
        let error =
            Error::new(ErrorKind::Data, format!("the data has an input {name:?}, which the model does not take"));
        return Err(match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => error.with_help(format!("did you mean `{near}`? The model takes: {}", names.join(", "))),
            None => error.with_help(format!("the model takes: {}", names.join(", "))),
        });
    }
    Ok(fed)
}

fn is_leaf(leaves: &[Leaf<'_>], name: &str) -> bool {
    leaves.len() > 1 && leaves.iter().any(|leaf| leaf.name == name)
}

/// The value of an argument or a part of one; `None` if nothing was given for it.
fn feed<T: Clone>(name: &str, kind: &ArgumentType, values: &mut [(String, T, bool)]) -> Result<Option<Fed<T>>> {
    match kind {
        ArgumentType::Tensor(_) => {
            let Some((_, value, used)) = values.iter_mut().find(|(known, ..)| known == name) else { return Ok(None) };
            *used = true;
            Ok(Some(Fed::Tensor(value.clone())))
        }
        ArgumentType::Optional(inner) => Ok(Some(feed(name, inner, values)?.unwrap_or(Fed::None))),
        ArgumentType::Structure(fields) => {
            let mut parts = Vec::with_capacity(fields.len());
            let mut absent = None;
            for (field, kind) in fields {
                let place = format!("{name}.{field}");
                match feed(&place, kind, values)? {
                    Some(part) => parts.push(part),
                    None => absent = absent.or(Some(place)),
                }
            }
            match absent {
                None => Ok(Some(Fed::Structure(parts))),
                Some(_) if parts.is_empty() => Ok(None),
                Some(place) => Err(Error::new(ErrorKind::Data, format!("the data lacks the model's input `{place}`"))
                    .with_help("give it as an array of that name in the .npz")),
            }
        }
        ArgumentType::List(inner) => {
            let mut parts = Vec::new();
            while let Some(part) = feed(&format!("{name}.{}", parts.len()), inner, values)? {
                parts.push(part);
            }
            Ok((!parts.is_empty()).then_some(Fed::List(parts)))
        }
        ArgumentType::Dictionary(inner) => {
            let prefix = format!("{name}.");
            let mut keys: Vec<String> = Vec::new();
            for (known, ..) in values.iter() {
                let key = known.strip_prefix(&prefix).map(|rest| rest.split('.').next().unwrap_or(rest));
                if let Some(key) = key.filter(|key| !keys.iter().any(|known| known == key)) {
                    keys.push(key.to_owned());
                }
            }
            let mut entries = Vec::with_capacity(keys.len());
            for key in keys {
                if let Some(part) = feed(&format!("{prefix}{key}"), inner, values)? {
                    entries.push((key, part));
                }
            }
            Ok((!entries.is_empty()).then_some(Fed::Dictionary(entries)))
        }
        ArgumentType::Scalar(_) | ArgumentType::Other(_) => Ok(None),
    }
}

fn missing<T>(name: &str, kind: &ArgumentType, arguments: &[Argument], values: &[(&str, T)]) -> Error {
    if let ArgumentType::Scalar(kind) | ArgumentType::Other(kind) = kind {
        return Error::new(
            ErrorKind::Model,
            format!("forward takes `{name}`, of type {kind}, without a default; only tensors can be fed"),
        )
        .with_help("wrap the model in a module whose forward takes tensors, and export that");
    }
    let wanted = leaves(arguments).into_iter().map(|leaf| leaf.name).collect::<Vec<_>>().join(", ");
    let given = values.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    Error::new(ErrorKind::Data, format!("the data lacks the model's input `{name}`: it has {given}"))
        .with_help(format!("give one array for each input, by these names, in an .npz: {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor() -> ArgumentType {
        ArgumentType::Tensor(TensorType::default())
    }

    fn argument(name: &str, kind: ArgumentType) -> Argument {
        Argument { name: name.to_owned(), kind, has_default: false }
    }

    fn structure(fields: &[&str]) -> ArgumentType {
        ArgumentType::Structure(fields.iter().map(|field| ((*field).to_owned(), tensor())).collect())
    }

    #[test]
    fn one_tensor_takes_any_name() {
        let fed = bind(&[argument("input", tensor())], &[("x", 1)]).unwrap();
        assert_eq!(fed, [Fed::Tensor(1)]);
        let fed = bind(&[argument("input", tensor())], &[("weights", 2), ("x", 1)]).unwrap();
        assert_eq!(fed, [Fed::Tensor(1)], "other arrays beside x");
        let error = bind(&[argument("input", tensor())], &[("a", 2), ("b", 1)]).unwrap_err();
        assert!(error.to_string().contains("lacks the model's input `input`: it has a, b"), "{error}");
        let optional = Argument { has_default: true, ..argument("mask", ArgumentType::Optional(Box::new(tensor()))) };
        let both = [argument("input", tensor()), optional];
        assert_eq!(bind(&both, &[("x", 1)]).unwrap(), [Fed::Tensor(1), Fed::None]);
        assert_eq!(bind(&both, &[("mask", 2), ("input", 1)]).unwrap(), [Fed::Tensor(1), Fed::Tensor(2)]);
    }

    #[test]
    fn several_go_by_name_or_by_numpy_s_places() {
        let two = [argument("image", tensor()), argument("tokens", tensor())];
        assert_eq!(bind(&two, &[("tokens", 2), ("image", 1)]).unwrap(), [Fed::Tensor(1), Fed::Tensor(2)]);
        assert_eq!(bind(&two, &[("arr_0", 1), ("arr_1", 2)]).unwrap(), [Fed::Tensor(1), Fed::Tensor(2)]);
        let error = bind(&two, &[("image", 1), ("token", 2)]).unwrap_err();
        assert!(error.to_string().contains("lacks the model's input `tokens`"), "{error}");
        let error = bind(&two, &[("image", 1), ("tokens", 2), ("mask", 3)]).unwrap_err();
        assert!(error.to_string().contains("\"mask\", which the model does not take"), "{error}");
    }

    #[test]
    fn containers_are_fed_part_by_part() {
        let pair = [argument("pair", structure(&["0", "1"]))];
        let both = Fed::Structure(vec![Fed::Tensor(1), Fed::Tensor(2)]);
        assert_eq!(bind(&pair, &[("pair.1", 2), ("pair.0", 1)]).unwrap(), std::slice::from_ref(&both));
        assert_eq!(bind(&pair, &[("0", 1), ("1", 2)]).unwrap(), [both]);
        assert!(bind(&pair, &[("pair.0", 1)]).unwrap_err().to_string().contains("`pair.1`"));
        let list = [argument("images", ArgumentType::List(Box::new(tensor()))), argument("x", tensor())];
        let fed = bind(&list, &[("images.0", 1), ("images.1", 2), ("x", 3)]).unwrap();
        assert_eq!(fed, [Fed::List(vec![Fed::Tensor(1), Fed::Tensor(2)]), Fed::Tensor(3)]);
        let dictionary = [argument("batch", ArgumentType::Dictionary(Box::new(tensor())))];
        let fed = bind(&dictionary, &[("image", 1), ("batch.mask", 2)]).unwrap();
        assert_eq!(
            fed,
            [Fed::Dictionary(vec![("image".to_owned(), Fed::Tensor(1)), ("mask".to_owned(), Fed::Tensor(2))])]
        );
    }

    #[test]
    fn what_is_no_tensor_needs_a_default() {
        let count = argument("count", ArgumentType::Scalar("int".into()));
        let error = bind(&[argument("x", tensor()), count.clone()], &[("x", 1)]).unwrap_err();
        assert!(error.to_string().contains("`count`, of type int, without a default"), "{error}");
        let count = Argument { has_default: true, ..count };
        assert_eq!(bind(&[argument("x", tensor()), count], &[("x", 1)]).unwrap(), [Fed::Tensor(1), Fed::Default]);
    }

    #[test]
    fn types_are_found_by_the_names_things_are_fed_by() {
        let tokens = ArgumentType::Tensor(TensorType { element: Some(ElementType::Int64), shape: None });
        let all = [
            argument("batch", ArgumentType::Dictionary(Box::new(tokens.clone()))),
            argument("list", ArgumentType::List(Box::new(tokens.clone()))),
            argument("x", tensor()),
        ];
        let element = |name: &str| type_of(&all, name).and_then(|tensor| tensor.element);
        assert_eq!(element("batch.anything"), Some(ElementType::Int64));
        assert_eq!(element("list.3"), Some(ElementType::Int64));
        let pair =
            [argument("pair", ArgumentType::Structure(vec![("0".into(), tensor()), ("1".into(), tokens.clone())]))];
        let second = type_of(&pair, "pair.1").and_then(|tensor| tensor.element);
        assert_eq!(second, Some(ElementType::Int64), "places of a tuple are not those of a list");
        assert_eq!(element("x"), None);
        assert_eq!(type_of(&all, "y"), None);
        assert_eq!(ElementType::Bfloat16.name(), "bfloat16");
    }
}
