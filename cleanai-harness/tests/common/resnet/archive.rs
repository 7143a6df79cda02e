//! TorchScript archives as `torch.jit.script(model).save(path)` writes them: the pickled modules, their classes as code,
//! and the values of their tensors.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Stands for the class's own qualified name in the code of its methods.
pub const OWN: &str = "{class}";

/// What an attribute of a module holds.
pub enum Value {
    /// Nothing, of the type that is declared.
    Absent(&'static str),
    Bool(bool),
    Integer(i64),
    Integers(Vec<i64>),
    Tensor(Tensor),
    Module(Module),
}

/// A contiguous view of the beginning of a storage.
pub struct Tensor {
    pub storage: usize,
    pub shape: Vec<i64>,
}

/// An instance of a class of [`Archive::module`].
pub struct Module {
    class: String,
    attributes: Vec<(String, Value)>,
}

/// What a module is made of, `training` and the like left out.
#[derive(Default)]
pub struct Parts<'a> {
    pub parameters: &'a [&'a str],
    pub buffers: &'a [&'a str],
    pub attributes: Vec<(String, Value)>,
    /// Lines such as `inplace : Final[bool] = True`.
    pub constants: Vec<String>,
    /// Functions of the class, with [`OWN`] for the type of `self`.
    pub methods: String,
}

/// The elements of one storage.
pub enum Storage {
    Floats(Vec<f32>),
    /// Made while they are written: how many, and who makes them.
    FloatsOf(usize, Box<dyn FnMut() -> f32>),
    Integers(Vec<i64>),
}

impl Storage {
    fn class(&self) -> &'static str {
        match self {
            Self::Floats(_) | Self::FloatsOf(..) => "FloatStorage",
            Self::Integers(_) => "LongStorage",
        }
    }

    fn elements(&self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::FloatsOf(elements, _) => *elements,
            Self::Integers(values) => values.len(),
        }
    }

    fn write(self, to: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Floats(values) => values.iter().try_for_each(|value| to.write_all(&value.to_le_bytes())),
            Self::FloatsOf(elements, mut next) => (0..elements).try_for_each(|_| to.write_all(&next().to_le_bytes())),
            Self::Integers(values) => values.iter().try_for_each(|value| to.write_all(&value.to_le_bytes())),
        }
    }
}

/// An archive that grows from the innermost modules outwards.
#[derive(Default)]
pub struct Archive {
    storages: Vec<Storage>,
    /// Code by the name of its file.
    sources: BTreeMap<String, String>,
    /// Qualified names by Python module, class and declaration: modules with the same declaration share a class.
    classes: HashMap<(String, String, String), String>,
    manglings: usize,
}

impl Archive {
    /// Adds a storage and gives its number.
    pub fn storage(&mut self, storage: Storage) -> usize {
        self.storages.push(storage);
        self.storages.len() - 1
    }

    /// Adds functions to the code of a Python module.
    pub fn functions(&mut self, module: &str, code: &str) {
        self.sources.entry(source(&format!("__torch__.{module}"))).or_default().push_str(code);
    }

    /// Makes an instance of `module.name`, and declares its class if no module declared the same before.
    pub fn module(&mut self, module: &str, name: &str, parts: Parts<'_>) -> Module {
        let list = |names: &[&str]| names.iter().map(|name| format!("{name:?}, ")).collect::<String>();
        let mut declaration =
            format!("  __parameters__ = [{}]\n  __buffers__ = [{}]\n", list(parts.parameters), list(parts.buffers));
        let mut attributes = parts.attributes;
        // Where torch has them: behind the tensors, before everything else.
        let tensors = parts.parameters.len() + parts.buffers.len();
        attributes.insert(tensors, ("training".to_owned(), Value::Bool(false)));
        attributes.insert(tensors + 1, ("_is_full_backward_hook".to_owned(), Value::Absent("NoneType")));
        for (name, value) in &attributes {
            let kind = match value {
                Value::Absent(kind) => kind,
                Value::Bool(_) => "bool",
                Value::Integer(_) => "int",
                Value::Integers(_) => "List[int]",
                Value::Tensor(_) => "Tensor",
                Value::Module(module) => module.class.as_str(),
            };
            let number = name.starts_with(|first: char| first.is_ascii_digit());
            declaration += &if number {
                format!("  __annotations__[{name:?}] = {kind}\n")
            } else {
                format!("  {name} : {kind}\n")
            };
        }
        for constant in &parts.constants {
            declaration += &format!("  {constant}\n");
        }
        declaration += &parts.methods;
        Module { class: self.class(module, name, declaration), attributes }
    }

    fn class(&mut self, module: &str, name: &str, declaration: String) -> String {
        let key = (module.to_owned(), name.to_owned(), declaration);
        if let Some(known) = self.classes.get(&key) {
            return known.clone();
        }
        let mut scope = format!("__torch__.{module}");
        if self.classes.keys().any(|(other, class, _)| (other.as_str(), class.as_str()) == (module, name)) {
            scope += &format!(".___torch_mangle_{}", self.manglings);
            self.manglings += 1;
        }
        let qualified = format!("{scope}.{name}");
        let code = format!("class {name}(Module):\n{}", key.2.replace(OWN, &qualified));
        self.sources.entry(source(&scope)).or_default().push_str(&code);
        self.classes.insert(key, qualified.clone());
        qualified
    }

    /// Writes the archive of this root module.
    pub fn write(self, root: &Module, path: &Path) -> io::Result<()> {
        let folder = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("model").to_owned();
        let data = self.pickle(root);
        let mut zip = ZipWriter::new(BufWriter::new(File::create(path)?));
        let start = |zip: &mut ZipWriter<_>, name: &str| start(zip, &format!("{folder}/{name}"));
        for (key, storage) in self.storages.into_iter().enumerate() {
            start(&mut zip, &format!("data/{key}"))?;
            let mut buffered = BufWriter::with_capacity(1 << 20, &mut zip);
            storage.write(&mut buffered)?;
            buffered.flush()?;
        }
        let empty_tuple = b"\x80\x02).".to_vec();
        let texts = self.sources.into_iter().map(|(name, code)| (name, code.into_bytes()));
        let others = [("data.pkl", data), ("constants.pkl", empty_tuple), ("version", b"3\n".to_vec())];
        for (name, bytes) in others.map(|(name, bytes)| (name.to_owned(), bytes)).into_iter().chain(texts) {
            start(&mut zip, &name)?;
            zip.write_all(&bytes)?;
        }
        zip.finish()?.flush()
    }

    fn pickle(&self, root: &Module) -> Vec<u8> {
        let mut pickle = Pickle { bytes: b"\x80\x02".to_vec(), storages: &self.storages, written: HashMap::new() };
        pickle.module(root);
        pickle.bytes.push(b'.');
        pickle.bytes
    }
}

/// Begins a member, stored as it is.
fn start<W: Write + Seek>(zip: &mut ZipWriter<W>, name: &str) -> io::Result<()> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    zip.start_file(name, options).map_err(io::Error::other)
}

/// The file a scope's code lies in.
fn source(scope: &str) -> String {
    format!("code/{}.py", scope.replace('.', "/"))
}

/// Pickle protocol 2, of what TorchScript makes of it.
struct Pickle<'a> {
    bytes: Vec<u8>,
    storages: &'a [Storage],
    /// Where a storage was kept when it was written first: asked for again, libtorch would load it again.
    written: HashMap<usize, u32>,
}

impl Pickle<'_> {
    fn module(&mut self, module: &Module) {
        let (scope, name) = module.class.rsplit_once('.').unwrap_or(("", &module.class));
        self.global(scope, name);
        // An object without arguments, and a dictionary for its state.
        self.bytes.extend(b")\x81}(");
        for (name, value) in &module.attributes {
            self.text(name);
            self.value(value);
        }
        self.bytes.extend(b"ub");
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Absent(_) => self.bytes.push(b'N'),
            Value::Bool(value) => self.bytes.push(if *value { 0x88 } else { 0x89 }),
            Value::Integer(value) => self.integer(*value),
            Value::Integers(values) => {
                self.global("torch.jit._pickle", "build_intlist");
                self.bytes.extend(b"(](");
                values.iter().for_each(|value| self.integer(*value));
                self.bytes.extend(b"etR");
            }
            Value::Tensor(tensor) => self.tensor(tensor),
            Value::Module(module) => self.module(module),
        }
    }

    fn tensor(&mut self, tensor: &Tensor) {
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.bytes.push(b'(');
        self.storage(tensor.storage);
        self.integer(0);
        let strides: Vec<i64> = (0..tensor.shape.len()).map(|axis| tensor.shape[axis + 1..].iter().product()).collect();
        for numbers in [&tensor.shape, &strides] {
            self.bytes.push(b'(');
            numbers.iter().for_each(|number| self.integer(*number));
            self.bytes.push(b't');
        }
        self.bytes.push(0x89);
        self.global("collections", "OrderedDict");
        self.bytes.extend(b")RtR");
    }

    /// `('storage', torch.FloatStorage, '0', 'cpu', 12)`
    fn storage(&mut self, number: usize) {
        if let Some(place) = self.written.get(&number) {
            self.bytes.push(b'j');
            self.bytes.extend(place.to_le_bytes());
            return;
        }
        let storage = &self.storages[number];
        self.bytes.push(b'(');
        self.text("storage");
        self.global("torch", storage.class());
        self.text(&number.to_string());
        self.text("cpu");
        self.integer(storage.elements() as i64);
        self.bytes.extend(b"tQr");
        let place = self.written.len() as u32;
        self.bytes.extend(place.to_le_bytes());
        self.written.insert(number, place);
    }

    fn global(&mut self, module: &str, name: &str) {
        self.bytes.push(b'c');
        self.bytes.extend(format!("{module}\n{name}\n").bytes());
    }

    fn text(&mut self, text: &str) {
        self.bytes.push(b'X');
        self.bytes.extend((text.len() as u32).to_le_bytes());
        self.bytes.extend(text.bytes());
    }

    fn integer(&mut self, value: i64) {
        match i32::try_from(value) {
            Ok(value) => {
                self.bytes.push(b'J');
                self.bytes.extend(value.to_le_bytes());
            }
            Err(_) => {
                self.bytes.extend([0x8a, 8]);
                self.bytes.extend(value.to_le_bytes());
            }
        }
    }
}
