//! The folder that `augment` writes: whole, or not there.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use crate::measure::{Made, Synthesis};
use crate::synthesis::Augmentation;
use crate::{Error, ErrorKind, Result};
use image::ExtendedColorType;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;

use crate::engine::explain::file_name;

/// What inputs are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A PNG for each, in the folder of its class.
    Pictures,
    /// `inputs.npz` with the arrays x and, where there are labels, y.
    Arrays,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    pub inputs: usize,
    pub successes: usize,
    pub euclidean: f64,
    pub largest: f64,
}

/// The columns of the manifest.
const COLUMNS: [&str; 7] = ["input", "parent", "label", "attack", "success", "distortion_l2", "distortion_linf"];

/// A folder beside the one asked for, which takes its name once it is complete.
pub struct Files {
    folder: TempDir,
    out: PathBuf,
    attack: String,
    form: Form,
    shape: Vec<usize>,
    channels: usize,
    manifest: csv::Writer<File>,
    /// Values of all inputs, until it is known how many there are.
    values: BufWriter<File>,
    labels: Vec<i64>,
    totals: Totals,
}

impl Files {
    /// # Errors
    /// If there is something at this place already.
    pub fn check(out: &Path) -> Result<()> {
        let empty = fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_none());
        if empty || fs::symlink_metadata(out).is_err() {
            return Ok(());
        }
        let what = format!("there is something at {} already, and nothing is overwritten", out.display());
        Err(Error::new(ErrorKind::Configuration, what).with_help("name a folder with --out that is not there yet"))
    }

    /// Starts to write.
    pub fn start(out: &Path, augmentation: &Augmentation, synthesis: &Synthesis, form: Form) -> Result<Self> {
        let parent = match out.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(|why| Error::io("create", parent, why))?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".cleanai-").suffix(".tmp");
        // Temporary folders are private; this one is for everyone the umask lets in.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        let folder = builder.tempdir_in(parent).map_err(|why| Error::io("write to", parent, why))?;
        let path = folder.path().join("manifest.csv");
        let manifest = File::create(&path).map_err(|why| Error::io("write", &path, why))?;
        let values = tempfile::tempfile_in(folder.path()).map_err(|why| Error::io("write to", folder.path(), why))?;
        let mut files = Self {
            out: out.to_owned(),
            attack: augmentation.to_string(),
            form,
            shape: synthesis.shape().to_vec(),
            channels: synthesis.channels().unwrap_or(1),
            manifest: csv::Writer::from_writer(manifest),
            values: BufWriter::new(values),
            labels: Vec::new(),
            totals: Totals::default(),
            folder,
        };
        files.manifest.write_record(COLUMNS).map_err(|why| files.unwritten(&why))?;
        if form == Form::Pictures {
            // Classes without an input count when folders are numbered.
            for class in synthesis.classes().unwrap_or_default() {
                files.folder_of(class)?;
            }
        }
        Ok(files)
    }

    /// Writes an input; `class` is the name of its label.
    pub fn add(&mut self, made: &Made, class: Option<&str>) -> Result<()> {
        let input = match self.form {
            Form::Pictures => self.picture(made, class)?,
            Form::Arrays => {
                let bytes: Vec<u8> = made.values.iter().flat_map(|value| value.to_le_bytes()).collect();
                self.values.write_all(&bytes).map_err(|why| self.unwritten(&why))?;
                self.labels.extend(made.label);
                format!("inputs.npz:x[{}]", self.totals.inputs)
            }
        };
        let label = made.label.map_or_else(String::new, |label| label.to_string());
        let success = made.success.to_string();
        let (euclidean, largest) = (made.euclidean.to_string(), made.largest.to_string());
        let record = [&input, &made.name, &label, &self.attack, &success, &euclidean, &largest];
        self.manifest.write_record(record).map_err(|why| Error::io("write", &self.out, why))?;
        self.totals.inputs += 1;
        self.totals.successes += usize::from(made.success);
        self.totals.euclidean += made.euclidean;
        self.totals.largest += made.largest;
        Ok(())
    }

    /// Completes the folder and gives it its name.
    pub fn finish(mut self) -> Result<Totals> {
        self.manifest.flush().map_err(|why| self.unwritten(&why))?;
        if self.form == Form::Arrays {
            self.arrays().map_err(|why| self.unwritten(&why))?;
        }
        fs::rename(self.folder.path(), &self.out).map_err(|why| self.unwritten(&why))?;
        Ok(self.totals)
    }

    fn folder_of(&self, class: &str) -> Result<()> {
        let path = self.folder.path().join(class);
        fs::create_dir_all(&path).map_err(|why| Error::io("create", &self.out.join(class), why))
    }

    /// Its path below the folder.
    fn picture(&self, made: &Made, class: Option<&str>) -> Result<String> {
        let name = file_name(made.index, &made.name);
        let input = match class {
            Some(class) => {
                self.folder_of(class)?;
                format!("{class}/{name}")
            }
            None => name,
        };
        let [.., height, width] = self.shape[..] else { return Err(self.unwritten(&"its inputs are no pictures")) };
        let color = if self.channels == 3 { ExtendedColorType::Rgb8 } else { ExtendedColorType::L8 };
        let size = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        let pixels = made.pixels(self.channels);
        image::save_buffer(self.folder.path().join(&input), &pixels, size(width), size(height), color)
            .map_err(|why| Error::io("write", &self.out.join(&input), why))?;
        Ok(input)
    }

    /// `inputs.npz` of the values that were gathered.
    fn arrays(&mut self) -> io::Result<()> {
        let mut archive = zip::ZipWriter::new(File::create(self.folder.path().join("inputs.npz"))?);
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored).large_file(true);
        archive.start_file("x.npy", options)?;
        let shape: Vec<usize> = std::iter::once(self.totals.inputs).chain(self.shape.iter().copied()).collect();
        archive.write_all(&header("<f4", &shape))?;
        self.values.flush()?;
        let file = self.values.get_mut();
        file.rewind()?;
        io::copy(file, &mut archive)?;
        if self.labels.len() == self.totals.inputs {
            archive.start_file("y.npy", options)?;
            archive.write_all(&header("<i8", &[self.labels.len()]))?;
            let bytes: Vec<u8> = self.labels.iter().flat_map(|label| label.to_le_bytes()).collect();
            archive.write_all(&bytes)?;
        }
        archive.finish()?.sync_all()
    }

    fn unwritten(&self, why: &dyn std::fmt::Display) -> Error {
        Error::io("write", &self.out, why).with_help("name a folder with --out in a place that can be written")
    }
}

/// The head of an array in numpy's format.
fn header(kind: &str, shape: &[usize]) -> Vec<u8> {
    let sizes: String = shape.iter().map(|size| format!("{size},")).collect();
    let text = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({sizes}), }}");
    // Values start at a multiple of 64.
    let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(format!("{text:<width$}\n", width = length - 1).into_bytes());
    bytes
}
