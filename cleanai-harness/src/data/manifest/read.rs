//! Reading a manifest: rows checked one by one, then the files they name opened, each array file once.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use csv::{ErrorKind as Fault, ReaderBuilder, StringRecord, Trim};

use super::{CLASS, INPUT, LABEL, position};
use crate::data::contents::{Classes, Contents, Inputs, Listed, array_file};
#[cfg(feature = "torch")]
use crate::data::files::array_files_at;
use crate::data::image_folder::{ImageFolder, is_image};
use crate::data::location::{Format, Place, missing};
use crate::data::range::counted;
use crate::data::transform::TransformStep;
use crate::declare::nearest::{listed, nearest};
use crate::{Error, ErrorKind, Result};

/// Largest manifest read: what is held of it is no larger than the file.
const LARGEST: u64 = 1 << 30;

/// Most rows.
const MOST_ROWS: usize = 1 << 24;

/// Longest row in bytes; a quote that is never closed would make one of the whole file.
const LONGEST_ROW: usize = 1 << 16;

/// What every row has.
const EXPECTED: &str = "a manifest is a CSV file with a header and a column `input`: an image's path from the manifest's own folder, or an array \
                        file's and the position in it, as in `digits.npz[12]`";

/// One row.
struct Row {
    line: u64,
    input: String,
    /// Empty where there is none.
    label: String,
    class: String,
}

/// Where a row's input lies.
enum Found {
    /// The number of the image among those of the manifest.
    Image(usize),
    /// The number of the file, and the position in it.
    Array(usize, usize),
}

/// An array file and what is asked of it.
struct ArrayFile {
    /// As the manifest names it, without the array.
    text: String,
    path: PathBuf,
    /// `x` of `digits.npz:x[12]`.
    array: Option<String>,
    /// The first line that names it.
    line: u64,
    /// The lowest position.
    low: usize,
    /// The highest, and the line that names it.
    high: (usize, u64),
}

/// Reads a manifest and opens what its rows name, to be put through `transform`.
pub(in crate::data) fn read(place: &Place, transform: &[TransformStep]) -> Result<Contents> {
    let path = &place.inputs;
    if place.labels.is_some() {
        let what = format!("{}: a manifest takes no file of labels", path.display());
        return Err(Error::new(ErrorKind::Configuration, what).with_help("give it a column `label`"));
    }
    let mut rows = rows(path).map_err(|error| error.context(path.display()))?;
    let chosen = place.range.of(rows.len()).map_err(|error| error.context(path.display()))?;
    rows.truncate(chosen.end);
    let rows = &rows[chosen.start..];
    let at = |row: &Row, error: Error| error.context(Line { path, number: row.line });

    let mut inside = Inside::new(path);
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.push(inside.find(row).map_err(|error| at(row, error))?);
    }
    let (inputs, own_labels) = inside.open(found, transform)?;
    let (labels, classes) = labels(rows, path)?;
    Ok((inputs, labels.or(own_labels), classes))
}

/// The manifest and the files that its rows name, with those of their labels.
#[cfg(feature = "torch")]
pub(in crate::data) fn files(place: &Place) -> Result<Vec<PathBuf>> {
    let path = &place.inputs;
    let rows = rows(path).map_err(|error| error.context(path.display()))?;
    let chosen = place.range.of(rows.len()).map_err(|error| error.context(path.display()))?;
    let mut inside = Inside::new(path);
    for row in &rows[chosen] {
        inside.find(row).map_err(|error| error.context(Line { path, number: row.line }))?;
    }
    let mut files = vec![path.clone()];
    files.extend(inside.images.iter().map(|image| inside.folder.join(image)));
    for file in &inside.files {
        files.extend(array_files_at(&file.path)?);
    }
    Ok(files)
}

/// `selected.csv, line 3`.
struct Line<'a> {
    path: &'a Path,
    number: u64,
}

impl std::fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, line {}", self.path.display(), self.number)
    }
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Data, what)
}

/// The rows of a file; at least one. Errors do not name the file; the caller does.
fn rows(path: &Path) -> Result<Vec<Row>> {
    let unreadable = |why: std::io::Error| Error::new(ErrorKind::Io, format!("it cannot be read: {why}"));
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    if size > LARGEST {
        return Err(wrong(format!("it has {size} bytes, more than the {LARGEST} allowed for a manifest")));
    }
    let mut reader = ReaderBuilder::new().trim(Trim::Headers).from_reader(std::io::Read::take(file, LARGEST));
    let header = reader.headers().map_err(malformed)?.clone();
    let column = |name: &str| -> Result<Option<usize>> {
        let mut places = header.iter().enumerate().filter(|(_, own)| *own == name).map(|(at, _)| at);
        match (places.next(), places.next()) {
            (_, Some(_)) => Err(wrong(format!("its header has two columns `{name}`"))),
            (first, _) => Ok(first),
        }
    };
    let Some(input) = column(INPUT)? else { return Err(no_input(&header)) };
    let (label, class) = (column(LABEL)?, column(CLASS)?);
    let mut rows = Vec::new();
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(malformed)? {
        let line = record.position().map_or(0, csv::Position::line);
        if record.as_slice().len() > LONGEST_ROW {
            let help = "is a quote not closed?";
            return Err(wrong(format!("line {line} has more than {LONGEST_ROW} bytes")).with_help(help));
        }
        if rows.len() == MOST_ROWS {
            return Err(wrong(format!("it has more than the {MOST_ROWS} rows allowed")));
        }
        let text = |column: Option<usize>| column.and_then(|at| record.get(at)).unwrap_or_default().trim().to_owned();
        rows.push(Row { line, input: text(Some(input)), label: text(label), class: text(class) });
    }
    match rows.is_empty() {
        true => Err(wrong("it lists no inputs").with_help("it has a header and no row below it")),
        false => Ok(rows),
    }
}

fn no_input(header: &StringRecord) -> Error {
    let names = || header.iter().filter(|name| !name.is_empty());
    let error = wrong(format!("its header has no column `{INPUT}`"));
    if header.len() == 1 && header[0].contains(';') {
        return error.with_help("separate columns with commas, not semicolons");
    }
    error.with_help(match nearest(INPUT, names()) {
        Some(near) => format!("rename the column `{}` to `{INPUT}`", near.escape_debug()),
        None => EXPECTED.to_owned(),
    })
}

/// What the reader of CSV found wrong.
fn malformed(error: csv::Error) -> Error {
    match error.kind() {
        Fault::Io(why) => Error::new(ErrorKind::Io, format!("it cannot be read: {why}")),
        Fault::UnequalLengths { pos, expected_len, len } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            let (fields, columns) = (counted(*len as usize, "field"), counted(*expected_len as usize, "column"));
            wrong(format!("line {line} has {fields}, and the header {columns}"))
                .with_help("put text with commas into double quotes")
        }
        Fault::Utf8 { pos, .. } => {
            let line = pos.as_ref().map_or(1, csv::Position::line);
            wrong(format!("line {line} is not UTF-8")).with_help("save it as UTF-8")
        }
        _ => wrong(format!("it is no CSV: {error}")),
    }
}

/// What the rows name, file by file.
struct Inside<'a> {
    path: &'a Path,
    /// The folder that paths start from.
    folder: &'a Path,
    images: Vec<String>,
    files: Vec<ArrayFile>,
    /// Numbers of files by what stands before the position.
    known: HashMap<String, usize>,
    /// Lines by input: of images by path, of arrays by file and position.
    lines: HashMap<(String, usize), u64>,
}

impl<'a> Inside<'a> {
    fn new(path: &'a Path) -> Self {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let (images, files) = (Vec::new(), Vec::new());
        Self { path, folder, images, files, known: HashMap::new(), lines: HashMap::new() }
    }

    /// Where a row's input lies; that it is there.
    fn find(&mut self, row: &Row) -> Result<Found> {
        // `./1.png` is `1.png`.
        let text = row.input.trim_start_matches("./");
        if text.is_empty() {
            return Err(wrong(format!("the column `{INPUT}` is empty")));
        }
        if text.chars().any(char::is_control) {
            return Err(wrong(format!("the path `{}` has a control character", text.escape_debug())));
        }
        if Path::new(text).is_absolute() {
            let help =
                format!("write the path from the manifest's own folder, {}; `..` leads upwards", self.folder.display());
            return Err(wrong(format!("`{text}` is an absolute path, which holds on one machine only")).with_help(help));
        }
        let array = match position(text) {
            Some((file, digits)) => self.array_file(file, text, row.line)?.map(|number| (number, digits)),
            None => None,
        };
        let Some((number, digits)) = array else {
            self.check_image(text)?;
            self.once((text.to_owned(), 0), row.line)?;
            self.images.push(text.to_owned());
            return Ok(Found::Image(self.images.len() - 1));
        };
        let position: usize = digits.parse().map_err(|_| wrong(format!("the position [{digits}] is too large")))?;
        self.once((self.files[number].text.clone(), position), row.line)?;
        let file = &mut self.files[number];
        file.low = file.low.min(position);
        if position > file.high.0 {
            file.high = (position, row.line);
        }
        Ok(Found::Array(number, position))
    }

    /// An input is listed once: its name is what reports and criteria tell it by.
    fn once(&mut self, input: (String, usize), line: u64) -> Result<()> {
        match self.lines.insert(input, line) {
            Some(earlier) => Err(wrong(format!("it names the same input as line {earlier}"))),
            None => Ok(()),
        }
    }

    /// The number of the array file that `file` names; nothing where the whole text is the path of another one.
    fn array_file(&mut self, file: &str, text: &str, line: u64) -> Result<Option<usize>> {
        if let Some(number) = self.known.get(file) {
            return Ok(Some(*number));
        }
        let (path, array) = match file.rsplit_once(':') {
            Some((path, array)) if !self.folder.join(file).exists() => (path, Some(array.to_owned())),
            _ => (file, None),
        };
        let place = self.folder.join(path);
        if !place.exists() {
            return if self.folder.join(text).exists() { Ok(None) } else { Err(missing(&place)) };
        }
        if let Some(number) = self.files.iter().position(|known| known.path == place && known.array == array) {
            self.known.insert(file.to_owned(), number);
            return Ok(Some(number));
        }
        self.files.push(ArrayFile {
            text: path.to_owned(),
            path: place,
            array,
            line,
            low: usize::MAX,
            high: (0, line),
        });
        self.known.insert(file.to_owned(), self.files.len() - 1);
        Ok(Some(self.files.len() - 1))
    }

    /// That an image's path leads to a file, and not to one of many inputs.
    fn check_image(&self, text: &str) -> Result<()> {
        let path = self.folder.join(text);
        let metadata = match fs::metadata(&path) {
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Err(missing(&path)),
            metadata => metadata.map_err(|why| Error::io("read", &path, why))?,
        };
        let refused = |what: &str| wrong(format!("{} {what}", path.display()));
        if metadata.is_dir() {
            return Err(refused("is a folder").with_help("list the images in it, one in each row"));
        }
        if !metadata.is_file() {
            return Err(refused("is neither a file nor a folder"));
        }
        if is_image(&path) {
            return Ok(());
        }
        match Format::at(&path) {
            Ok(Format::Npy | Format::Npz | Format::Idx { .. }) => {
                Err(refused("is a file of many inputs").with_help(format!("say which one: `{text}[0]`")))
            }
            Ok(Format::Manifest) => Err(refused("is a manifest itself").with_help("list its inputs here")),
            // What is no image its decoder says.
            Ok(Format::Folder) | Err(_) => Ok(()),
        }
    }

    /// Opens the files and puts the inputs in the order of the rows; gives the labels that the files have, if all of them have.
    fn open(self, found: Vec<Found>, transform: &[TransformStep]) -> Result<(Inputs, Option<Vec<i64>>)> {
        let mut sources = Vec::new();
        let mut own_labels: Vec<Option<Vec<i64>>> = Vec::new();
        for file in &self.files {
            let (inputs, labels) = self.open_array(file, transform)?;
            sources.push(inputs);
            own_labels.push(labels);
        }
        let images = sources.len();
        if !self.images.is_empty() {
            let folder = ImageFolder::listed(self.folder, self.images);
            sources.push(Inputs::Images { folder, transform: transform.to_vec() });
            own_labels.push(None);
        }
        let place = |found: &Found| match found {
            Found::Image(image) => (images, *image),
            Found::Array(file, position) => (*file, position - self.files[*file].low),
        };
        let places: Vec<(usize, usize)> = found.iter().map(place).collect();
        let label = |(source, row): &(usize, usize)| own_labels[*source].as_ref().map(|labels| labels[*row]);
        let labels: Option<Vec<i64>> = places.iter().map(label).collect();
        let inputs = Listed::new(sources, places).map_err(|error| error.context(self.path.display()))?;
        Ok((Inputs::Listed(inputs), labels))
    }

    fn open_array(&self, file: &ArrayFile, transform: &[TransformStep]) -> Result<(Inputs, Option<Vec<i64>>)> {
        // The line to blame: the first that names the file, or the one that asks for too much.
        let line = Cell::new(file.line);
        let select = |inputs: usize| match inputs > file.high.0 {
            true => Ok(file.low..file.high.0 + 1),
            false => {
                line.set(file.high.1);
                let what = format!("there is no [{}]: it holds {}", file.high.0, counted(inputs, "input"));
                Err(wrong(what).with_help("positions count from 0"))
            }
        };
        let read = match Format::at(&file.path) {
            Ok(Format::Folder) => Err(wrong(format!("{} is a folder, not an array file", file.path.display()))),
            Ok(Format::Manifest) => Err(wrong(format!("{} is a manifest itself", file.path.display()))),
            Ok(format) => array_file(&file.path, format, None, select, transform),
            Err(error) => Err(error),
        };
        let named = read.and_then(|(mut inputs, labels, _)| {
            self.name(file, &mut inputs)?;
            Ok((inputs, labels))
        });
        named.map_err(|error| error.context(Line { path: self.path, number: line.get() }))
    }

    /// Names the inputs of an array file as the manifest does, after a check that it has the array that is named.
    fn name(&self, file: &ArrayFile, inputs: &mut Inputs) -> Result<()> {
        let arrays = inputs.fields();
        let Inputs::Arrays { name, array, .. } = inputs else { return Ok(()) };
        name.clone_from(&file.text);
        let Some(asked) = file.array.as_ref().filter(|asked| array.strip_prefix(':') != Some(asked)) else {
            return Ok(());
        };
        let path = file.path.display();
        let leave_out = format!("leave out `:{asked}`");
        Err(match (arrays.len() > 1, array.strip_prefix(':')) {
            (false, Some(only)) => wrong(format!("{path} has no array `{asked}`"))
                .with_help(format!("its array is `{}`", only.escape_debug())),
            (false, None) => wrong(format!("{path} is a single array without a name")).with_help(leave_out),
            (true, _) => wrong(format!(
                "{path} has the arrays {}, which are one input together",
                listed(arrays.iter().map(String::as_str))
            ))
            .with_help(leave_out),
        })
    }
}

/// Labels and their names, where the rows have them: whole numbers, or names, which are numbered in sorted order as folders are.
fn labels(rows: &[Row], path: &Path) -> Result<(Option<Vec<i64>>, Option<Classes>)> {
    let at = |row: &Row, error: Error| Err(error.context(Line { path, number: row.line }));
    let Some(labelled) = rows.iter().find(|row| !row.label.is_empty()) else {
        return match rows.iter().find(|row| !row.class.is_empty()) {
            Some(row) => at(
                row,
                wrong(format!("it has a `{CLASS}` and no `{LABEL}`"))
                    .with_help(format!("put names into the column `{LABEL}`, or numbers there beside them")),
            ),
            None => Ok((None, None)),
        };
    };
    if let Some(row) = rows.iter().find(|row| row.label.is_empty()) {
        let what = format!("it has no `{LABEL}`, and line {} has one", labelled.line);
        return at(row, wrong(what).with_help("give every row a label, or none"));
    }
    let numbers: Option<Vec<i64>> = rows.iter().map(|row| row.label.parse().ok()).collect();
    let Some(numbers) = numbers else {
        if let Some(row) = rows.iter().find(|row| !row.class.is_empty()) {
            let other = rows.iter().find(|row| row.label.parse::<i64>().is_err()).unwrap_or(row);
            let what = format!("the label `{}` is no whole number", other.label.escape_debug());
            return at(other, wrong(what).with_help(format!("beside a column `{CLASS}` labels are numbers")));
        }
        let names: BTreeSet<&str> = rows.iter().map(|row| row.label.as_str()).collect();
        let by_name: BTreeMap<&str, i64> = names.into_iter().zip(0..).collect();
        let labels = rows.iter().map(|row| by_name[row.label.as_str()]).collect();
        let classes = by_name.into_iter().map(|(name, label)| (label, name.to_owned()));
        return Ok((Some(labels), Some(Classes::new(classes.collect()))));
    };
    let mut names: BTreeMap<i64, &Row> = BTreeMap::new();
    let mut by_name: HashMap<&str, i64> = HashMap::new();
    for (row, label) in rows.iter().zip(&numbers) {
        let first = names.entry(*label).or_insert(row);
        if first.class != row.class {
            let what = format!(
                "label {label} is the class `{}` here and `{}` in line {}",
                row.class.escape_debug(),
                first.class.escape_debug(),
                first.line
            );
            return at(row, wrong(what).with_help("a label has one name"));
        }
        if row.class.is_empty() {
            continue;
        }
        let known = by_name.entry(row.class.as_str()).or_insert(*label);
        if known != label {
            let what = format!("the class `{}` has label {label} here and {known} before", row.class.escape_debug());
            return at(row, wrong(what).with_help("a class has one label"));
        }
    }
    let classes: Vec<(i64, String)> = names
        .into_iter()
        .filter(|(_, row)| !row.class.is_empty())
        .map(|(label, row)| (label, row.class.clone()))
        .collect();
    Ok((Some(numbers), (!classes.is_empty()).then(|| Classes::new(classes))))
}
