//! Tensors by name as `torch.save` keeps them: an archive with a pickle, of which nothing is run, and the bytes of every storage.

use std::collections::BTreeMap;

use crate::Result;
use crate::model::container::Container;
use crate::model::torchscript::pickle::{self, Contents, Outermost};

/// Bound of the pickle.
const LARGEST_PICKLE: u64 = 512 << 20;

/// All a state dict needs; anything else is no plain tensor.
const CLASSES: &[&str] =
    &["collections.OrderedDict", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"];

/// An open archive of `torch.save`.
pub struct StateDict {
    container: Container,
    root: String,
    contents: Contents,
    names: BTreeMap<String, usize>,
}

/// Where the values of a tensor are and what part of them it takes.
pub struct Saved {
    /// `FloatStorage`
    pub class: String,
    /// The member with the values.
    pub member: String,
    pub offset: i64,
    pub sizes: Vec<i64>,
    pub strides: Vec<i64>,
}

impl StateDict {
    pub fn open(mut container: Container) -> Result<Self> {
        let help = "copy or export it again with torch 2.9 or later";
        let root = container.names().iter().find_map(|name| name.strip_suffix("data.pkl").map(str::to_owned));
        let Some(root) = root else {
            return Err(container.error("data.pkl is missing in the archive").with_help(help));
        };
        let order = format!("{root}byteorder");
        if container.has(&order) && container.read(&order, "byteorder", 64)?.starts_with(b"big") {
            return Err(container
                .error("its weights are big-endian")
                .with_help("export it again on a little-endian machine"));
        }
        let bytes = container.read(&format!("{root}data.pkl"), "data.pkl", LARGEST_PICKLE)?;
        let mut contents = pickle::read(&bytes).map_err(|why| {
            container.error(format!("data.pkl is damaged or not supported: {why}")).with_help("copy or export it again")
        })?;
        let foreign = contents.globals.iter().find(|global| {
            let storage = global.strip_prefix("torch.").is_some_and(|name| name.ends_with("Storage"));
            !storage && !CLASSES.contains(&global.as_str())
        });
        if let Some(class) = foreign {
            let what = format!("data.pkl names {}, which no plain tensor needs", class.escape_debug());
            return Err(container.error(what).with_help("export the model with plain tensors as weights"));
        }
        if contents.has_properties {
            return Err(container
                .error("data.pkl holds a conjugated or negated view, which is not supported")
                .with_help("call resolve_conj() or resolve_neg() on the weights before the export"));
        }
        let names = match std::mem::take(&mut contents.outermost) {
            Outermost::Tensors(entries) => entries.into_iter().collect(),
            Outermost::Tensor(view) => BTreeMap::from([(String::new(), view)]),
            Outermost::Other => {
                return Err(container.error("data.pkl is no dictionary of tensors").with_help(help));
            }
        };
        Ok(Self { container, root, contents, names })
    }

    /// The tensor of this name; the only one, for an archive of a tensor without a name.
    pub fn get(&self, name: &str) -> Option<Saved> {
        let only = || self.names.get("").filter(|_| self.names.len() == 1);
        let view = &self.contents.views[*self.names.get(name).or_else(only)?];
        let storage = &self.contents.storages[view.storage];
        Some(Saved {
            class: storage.class.clone(),
            member: format!("data/{}", storage.key),
            offset: view.offset,
            sizes: view.sizes.clone(),
            strides: view.strides.clone(),
        })
    }

    /// Size of a member in bytes; `None` if it is not there.
    pub fn size(&mut self, member: &str) -> Option<u64> {
        self.container.size(&format!("{}{member}", self.root))
    }

    /// The bytes of a member of at most `bound` bytes.
    pub fn member(&mut self, member: &str, bound: u64) -> Result<Vec<u8>> {
        self.container.read(&format!("{}{member}", self.root), member, bound)
    }
}
