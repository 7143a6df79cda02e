//! Reads a pickle without making anything of it: which storages it loads, which views of them it makes.
//!
//! All opcodes of protocol 2 are known (<https://github.com/python/cpython/blob/main/Lib/pickletools.py>). What TorchScript's own
//! loader would do with the objects is not modelled; where it would trust a number, the number is collected here to be checked.

use std::collections::{BTreeSet, HashMap};

/// The deepest nesting of lists, tuples and objects: whoever reads and frees them does so by recursion.
const DEEPEST: usize = 1000;
/// The deepest nesting of brackets in a text; some texts are types that libtorch parses by recursion.
const DEEPEST_TEXT: usize = 100;

/// A storage as a pickle asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// `FloatStorage`
    pub class: String,
    /// Name of the member that holds the values, without its folder.
    pub key: String,
    /// Elements.
    pub elements: i64,
}

/// A tensor: elements of a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Index of the storage.
    pub storage: usize,
    /// The first element.
    pub offset: i64,
    /// Size of each axis.
    pub sizes: Vec<i64>,
    /// Elements from one to the next, for each axis.
    pub strides: Vec<i64>,
}

/// What a pickle loads.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Contents {
    pub storages: Vec<Storage>,
    pub views: Vec<View>,
    /// What the outermost value is.
    pub outermost: Outermost,
    /// Every class and function it names, as `module.name`.
    pub globals: BTreeSet<String>,
    /// Whether a tensor has properties beside its values (it is a conjugate, or negated).
    pub has_properties: bool,
}

/// The outermost value, as far as a state dict needs it.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Outermost {
    /// A dictionary of tensors under names, in order; the numbers are those of the views.
    Tensors(Vec<(String, usize)>),
    /// One tensor.
    Tensor(usize),
    #[default]
    Other,
}

/// Index of a value; parents keep the indices of their children.
type Id = usize;

enum Value {
    Integer(i64),
    Text(String),
    Global(String, String),
    Tuple(Vec<Id>),
    Storage(usize),
    /// A list or an object.
    Container(Vec<Id>),
    /// Keys and values in turn.
    Dictionary(Vec<Id>),
    /// The number of its view, and what it is made of.
    Tensor(usize, [Id; 1]),
    /// An object before its state; the class.
    Object(Id, Vec<Id>),
    Mark,
    Other,
}

/// Reads one pickle.
///
/// # Errors
/// Why it is damaged, or what in it is not supported.
pub fn read(bytes: &[u8]) -> Result<Contents, String> {
    let mut reader = Reader {
        rest: bytes,
        values: Vec::new(),
        stack: Vec::new(),
        memo: HashMap::new(),
        contents: Contents::default(),
    };
    let outermost = reader.program()?;
    reader.check_depth()?;
    reader.contents.outermost = reader.outermost(outermost);
    Ok(reader.contents)
}

struct Reader<'a> {
    rest: &'a [u8],
    values: Vec<Value>,
    stack: Vec<Id>,
    memo: HashMap<u32, Id>,
    contents: Contents,
}

impl Reader<'_> {
    /// Runs all instructions; the value they leave.
    fn program(&mut self) -> Result<Id, String> {
        loop {
            let code = self.take(1)?[0];
            match code {
                b'.' => return self.pop(),
                0x80 => {
                    let protocol = self.take(1)?[0];
                    if protocol > 2 {
                        return Err(format!("pickle protocol {protocol} where TorchScript writes 2"));
                    }
                }
                _ => self.instruction(code)?,
            }
        }
    }

    fn instruction(&mut self, code: u8) -> Result<(), String> {
        match code {
            b'(' => self.push(Value::Mark),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.take_marked()?),
            b'2' => {
                let top = *self.stack.last().ok_or("its stack is empty")?;
                self.stack.push(top);
            }
            b'N' | 0x88 | 0x89 => self.push(Value::Other),
            b'K' => self.integer(1)?,
            b'M' => self.integer(2)?,
            b'J' => {
                let bytes = self.array::<4>()?;
                self.push(Value::Integer(i64::from(i32::from_le_bytes(bytes))));
            }
            0x8a => {
                let length = usize::from(self.take(1)?[0]);
                self.long(length)?;
            }
            0x8b => {
                let length = self.length()?;
                self.long(length)?;
            }
            b'G' => {
                self.take(8)?;
                self.push(Value::Other);
            }
            b'X' | b'T' => {
                let length = self.length()?;
                self.text(length)?;
            }
            b'U' => {
                let length = usize::from(self.take(1)?[0]);
                self.text(length)?;
            }
            b'I' | b'L' | b'F' | b'S' | b'V' | b'P' | b'i' => {
                return Err(format!("it has the text opcode {:?}, which TorchScript never writes", char::from(code)));
            }
            b')' => self.push(Value::Tuple(Vec::new())),
            b']' => self.push(Value::Container(Vec::new())),
            b'}' => self.push(Value::Dictionary(Vec::new())),
            b't' => {
                let items = self.take_marked()?;
                self.push(Value::Tuple(items));
            }
            0x85..=0x87 => {
                let count = usize::from(code - 0x84);
                let start = self.stack.len().checked_sub(count).ok_or("its stack is empty")?;
                let items = self.stack.split_off(start);
                self.push(Value::Tuple(items));
            }
            b'l' => {
                let items = self.take_marked()?;
                self.push(Value::Container(items));
            }
            b'd' => {
                let items = self.take_marked()?;
                self.push(Value::Dictionary(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item])?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.extend(vec![key, value])?;
            }
            b'e' | b'u' => {
                let items = self.take_marked()?;
                self.extend(items)?;
            }
            b'q' => {
                let key = u32::from(self.take(1)?[0]);
                self.put(key)?;
            }
            b'r' => {
                let key = u32::from_le_bytes(self.array()?);
                self.put(key)?;
            }
            b'h' => {
                let key = u32::from(self.take(1)?[0]);
                self.get(key)?;
            }
            b'j' => {
                let key = u32::from_le_bytes(self.array()?);
                self.get(key)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.contents.globals.insert(format!("{module}.{name}"));
                self.push(Value::Global(module, name));
            }
            b'R' => {
                let (arguments, callee) = (self.pop()?, self.pop()?);
                let made = self.call(callee, arguments)?;
                self.push(made);
            }
            0x81 => {
                let (arguments, class) = (self.pop()?, self.pop()?);
                if !matches!(self.values[class], Value::Global(..)) {
                    return Err("it makes an object of something that is no class".into());
                }
                self.push(Value::Object(class, vec![arguments]));
            }
            b'b' => {
                let state = self.pop()?;
                let object = *self.stack.last().ok_or("its stack is empty")?;
                let Value::Object(class, _) = self.values[object] else {
                    return Err("it gives a state to something that is no object".into());
                };
                self.call(class, state)?;
                if let Value::Object(_, items) = &mut self.values[object] {
                    items.push(state);
                }
            }
            b'Q' => {
                let id = self.pop()?;
                self.storage(id)?;
            }
            _ => return Err(format!("it has the opcode {code:#04x}, which pickle protocol 2 does not have")),
        }
        Ok(())
    }

    fn take(&mut self, count: usize) -> Result<&[u8], String> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or("it ends too early")?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn length(&mut self) -> Result<usize, String> {
        usize::try_from(u32::from_le_bytes(self.array()?)).map_err(|_| "a length in it is too large".into())
    }

    fn line(&mut self) -> Result<String, String> {
        let end = self.rest.iter().position(|byte| *byte == b'\n').ok_or("it ends too early")?;
        let line = std::str::from_utf8(&self.rest[..end]).map_err(|_| "a name in it is no UTF-8")?.to_owned();
        self.rest = &self.rest[end + 1..];
        Ok(line)
    }

    fn text(&mut self, length: usize) -> Result<(), String> {
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        let (mut depth, mut deepest) = (0usize, 0);
        for byte in text.bytes() {
            match byte {
                b'[' | b'(' => depth += 1,
                b']' | b')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            deepest = deepest.max(depth);
        }
        if deepest > DEEPEST_TEXT {
            return Err(format!("a text in it nests brackets {deepest} deep, more than the {DEEPEST_TEXT} allowed"));
        }
        self.push(Value::Text(text));
        Ok(())
    }

    fn integer(&mut self, width: usize) -> Result<(), String> {
        let value = self.take(width)?.iter().rev().fold(0i64, |value, byte| value << 8 | i64::from(*byte));
        self.push(Value::Integer(value));
        Ok(())
    }

    /// A little-endian integer in two's complement of any length.
    fn long(&mut self, length: usize) -> Result<(), String> {
        let bytes = self.take(length)?;
        if length > 8 {
            return Err("an integer in it has more than 64 bits".into());
        }
        let fill = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
        let mut wide = [fill; 8];
        wide[..length].copy_from_slice(bytes);
        self.push(Value::Integer(i64::from_le_bytes(wide)));
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.values.push(value);
        self.stack.push(self.values.len() - 1);
    }

    fn pop(&mut self) -> Result<Id, String> {
        match self.stack.pop() {
            Some(id) if matches!(self.values[id], Value::Mark) => Err("it takes a value where there is none".into()),
            Some(id) => Ok(id),
            None => Err("its stack is empty".into()),
        }
    }

    /// Everything above the last mark, which goes as well.
    fn take_marked(&mut self) -> Result<Vec<Id>, String> {
        let mark = self
            .stack
            .iter()
            .rposition(|id| matches!(self.values[*id], Value::Mark))
            .ok_or("a mark is missing in it")?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn extend(&mut self, more: Vec<Id>) -> Result<(), String> {
        let target = *self.stack.last().ok_or("its stack is empty")?;
        match &mut self.values[target] {
            Value::Container(items) | Value::Dictionary(items) => {
                items.extend(more);
                Ok(())
            }
            _ => Err("it adds to something that is no list or dictionary".into()),
        }
    }

    fn put(&mut self, key: u32) -> Result<(), String> {
        let top = *self.stack.last().ok_or("its stack is empty")?;
        if matches!(self.values[top], Value::Mark) {
            return Err("it keeps a mark".into());
        }
        self.memo.insert(key, top);
        Ok(())
    }

    fn get(&mut self, key: u32) -> Result<(), String> {
        let id = *self.memo.get(&key).ok_or("it asks for a value it has not kept")?;
        self.stack.push(id);
        Ok(())
    }

    /// `('storage', torch.FloatStorage, '0', 'cpu', 12)`
    fn storage(&mut self, id: Id) -> Result<(), String> {
        let wrong = || "it refers to something that is no storage".to_owned();
        let Value::Tuple(items) = &self.values[id] else { return Err(wrong()) };
        let items: Vec<&Value> = items.iter().map(|id| &self.values[*id]).collect();
        let storage = match items[..] {
            [
                Value::Text(tag),
                Value::Global(_, class),
                Value::Text(key),
                Value::Text(_),
                Value::Integer(elements),
                ..,
            ] if tag == "storage" => Storage { class: class.clone(), key: key.clone(), elements: *elements },
            _ => return Err(wrong()),
        };
        self.contents.storages.push(storage);
        self.push(Value::Storage(self.contents.storages.len() - 1));
        Ok(())
    }

    /// What a call makes; views are collected.
    fn call(&mut self, callee: Id, arguments: Id) -> Result<Value, String> {
        let Value::Global(module, name) = &self.values[callee] else {
            return Err("it calls something that is no function".into());
        };
        let made = Value::Container(vec![arguments]);
        let first = |id: Id| match &self.values[id] {
            Value::Tuple(items) => items.first().map(|id| &self.values[*id]),
            _ => None,
        };
        match (module.as_str(), name.as_str(), first(arguments)) {
            ("collections", "OrderedDict", None) => return Ok(Value::Dictionary(Vec::new())),
            ("torch._utils", "_rebuild_parameter", Some(Value::Tensor(view, _))) => {
                return Ok(Value::Tensor(*view, [arguments]));
            }
            ("torch._utils", "_rebuild_parameter", _) => return Ok(made),
            ("torch._utils", ..) => {}
            _ => return Ok(made),
        }
        if !matches!(name.as_str(), "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_qtensor") {
            return Err(format!("it holds a tensor made by {}, which is not supported", name.escape_debug()));
        }
        let wrong = || "it makes a tensor of something that is no storage".to_owned();
        let Value::Tuple(items) = &self.values[arguments] else { return Err(wrong()) };
        let [storage, offset, sizes, strides, ..] = items[..] else { return Err(wrong()) };
        let (Value::Storage(storage), Value::Integer(offset)) = (&self.values[storage], &self.values[offset]) else {
            return Err(wrong());
        };
        let numbers = |id: Id| -> Result<Vec<i64>, String> {
            let Value::Tuple(items) = &self.values[id] else { return Err(wrong()) };
            let number =
                |id: &Id| if let Value::Integer(number) = self.values[*id] { Ok(number) } else { Err(wrong()) };
            items.iter().map(number).collect()
        };
        let view = View { storage: *storage, offset: *offset, sizes: numbers(sizes)?, strides: numbers(strides)? };
        // Storage, offset, sizes, strides, whether it needs a gradient, hooks, properties.
        self.contents.has_properties |= name == "_rebuild_tensor_v2" && items.len() > 6;
        self.contents.views.push(view);
        Ok(Value::Tensor(self.contents.views.len() - 1, [arguments]))
    }

    fn outermost(&self, id: Id) -> Outermost {
        let Value::Dictionary(items) = &self.values[id] else {
            return match &self.values[id] {
                Value::Tensor(view, _) => Outermost::Tensor(*view),
                _ => Outermost::Other,
            };
        };
        let entry = |entry: &[Id]| match entry {
            [key, value] => match (&self.values[*key], &self.values[*value]) {
                (Value::Text(name), Value::Tensor(view, _)) => Some((name.clone(), *view)),
                _ => None,
            },
            _ => None,
        };
        items.chunks(2).map(entry).collect::<Option<_>>().map_or(Outermost::Other, Outermost::Tensors)
    }

    /// Longest chain of values within values, without recursion.
    fn check_depth(&self) -> Result<(), String> {
        let children = |id: Id| -> &[Id] {
            match &self.values[id] {
                Value::Tuple(items) | Value::Container(items) | Value::Dictionary(items) | Value::Object(_, items) => {
                    items
                }
                Value::Tensor(_, made_of) => made_of,
                _ => &[],
            }
        };
        // 0 is unseen, 1 is being looked at (a cycle ends there), else 1 + the depth.
        let mut depths = vec![0usize; self.values.len()];
        for start in 0..self.values.len() {
            let mut open = vec![(start, 0)];
            while let Some((id, next)) = open.pop() {
                if next == 0 && depths[id] > 1 {
                    continue;
                }
                depths[id] = depths[id].max(1);
                let items = children(id);
                if let Some(child) = items.get(next) {
                    open.push((id, next + 1));
                    if depths[*child] == 0 {
                        open.push((*child, 0));
                    }
                } else {
                    let deepest = items.iter().map(|child| depths[*child]).max().unwrap_or(1);
                    depths[id] = deepest + 1;
                    if deepest > DEEPEST {
                        return Err(format!("it nests values more than {DEEPEST} deep"));
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `_rebuild_tensor_v2(storage of 6 floats "0", 0, (2, 3), (3, 1), ...)`
    const TENSOR: &[u8] = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x06tQK\0K\x02K\x03\x86K\x03K\x01\x86\x89NtR.";

    #[test]
    fn a_tensor_gives_its_storage_and_view() {
        let contents = read(TENSOR).unwrap();
        assert_eq!(contents.storages, [Storage { class: "FloatStorage".into(), key: "0".into(), elements: 6 }]);
        assert_eq!(contents.views, [View { storage: 0, offset: 0, sizes: vec![2, 3], strides: vec![3, 1] }]);
        assert_eq!(contents.outermost, Outermost::Tensor(0));
        let globals: Vec<&str> = contents.globals.iter().map(String::as_str).collect();
        assert_eq!(globals, ["torch.FloatStorage", "torch._utils._rebuild_tensor_v2"]);
        assert!(!contents.has_properties);
    }

    #[test]
    fn a_dictionary_gives_its_tensors_by_name() {
        let tensor = &TENSOR[2..TENSOR.len() - 1];
        let dictionary = |start: &[u8], end: &[u8]| [b"\x80\x02", start, b"(X\x01\0\0\0w", tensor, end].concat();
        let named = Outermost::Tensors(vec![("w".into(), 0)]);
        assert_eq!(read(&dictionary(b"}", b"u.")).unwrap().outermost, named);
        assert_eq!(read(&dictionary(b"ccollections\nOrderedDict\n)R", b"u.")).unwrap().outermost, named);
        assert_eq!(read(&dictionary(b"", b"d.")).unwrap().outermost, named);
        assert_eq!(read(&dictionary(b"", b"l.")).unwrap().outermost, Outermost::Other);
        assert_eq!(read(&dictionary(b"}", b"Ku.")).unwrap().outermost, Outermost::Other);
        let parameter = [b"\x80\x02ctorch._utils\n_rebuild_parameter\n(", tensor, b"\x88NtR."].concat();
        assert_eq!(read(&parameter).unwrap().outermost, Outermost::Tensor(0));
    }

    #[test]
    fn every_beginning_is_an_error() {
        for end in 0..TENSOR.len() {
            assert!(read(&TENSOR[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn what_the_loader_would_misread_is_refused() {
        // A number stands for a function in libtorch's loader; here it does not.
        assert_eq!(read(b"\x80\x02K\x00)R.").unwrap_err(), "it calls something that is no function");
        assert_eq!(read(b"\x80\x02K\x00)\x81.").unwrap_err(), "it makes an object of something that is no class");
        assert_eq!(
            read(b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((tK\0))tR.").unwrap_err(),
            "it makes a tensor of something that is no storage"
        );
        assert!(read(b"\x80\x02ctorch._utils\n_rebuild_sparse_tensor\n)R.").unwrap_err().contains("not supported"));
        assert_eq!(read(b"\x80\x02(q\0.").unwrap_err(), "it keeps a mark");
        assert_eq!(read(b"\x80\x05.").unwrap_err(), "pickle protocol 5 where TorchScript writes 2");
    }

    #[test]
    fn nesting_is_bounded_whatever_the_order() {
        let mut tuples = b"\x80\x02)".to_vec();
        tuples.extend([0x85; 2000]);
        tuples.push(b'.');
        assert!(read(&tuples).unwrap_err().contains("1000 deep"));
        // Lists that are filled after they were put into others.
        let mut lists = b"\x80\x02]".to_vec();
        lists.extend(b"]".repeat(2000));
        lists.extend(b"a".repeat(2000));
        lists.push(b'.');
        assert!(read(&lists).unwrap_err().contains("1000 deep"));
        // A list within itself ends.
        assert!(read(b"\x80\x02]q\0h\0a.").is_ok());
        let mut text = b"\x80\x02X\xc8\0\0\0".to_vec();
        text.extend(b"[".repeat(200));
        text.push(b'.');
        assert!(read(&text).unwrap_err().contains("brackets 200 deep"));
    }

    #[test]
    fn integers_are_in_two_s_complement() {
        assert!(read(b"\x80\x02\x8a\x09123456789.").unwrap_err().contains("64 bits"));
        let shifted = |offset: &[u8]| {
            let mut bytes = TENSOR.to_vec();
            let at = bytes.windows(3).position(|w| w == b"QK\0").unwrap() + 1;
            bytes.splice(at..at + 2, offset.iter().copied());
            read(&bytes).unwrap().views[0].offset
        };
        assert_eq!(shifted(b"\x8a\x01\xff"), -1);
        assert_eq!(shifted(b"J\xfe\xff\xff\xff"), -2);
        assert_eq!(shifted(b"M\x00\x80"), 0x8000);
    }
}
