//! Tests of the whole of `data`, on files made here and, where it is there, on real data.

mod fields;
mod folder;
mod formats;
mod hostile;
mod large;
mod loader;
mod manifest;
mod real;
mod steps;

use std::path::Path;

use crate::data::{Batch, DataSet, transform};
use crate::declare::{DataLocation, OnBadInput};
use crate::{Error, Result};

/// Opens `path` below `root`.
fn open_with(root: &Path, path: &str, steps: &str, on_bad_input: OnBadInput) -> Result<DataSet> {
    let location = DataLocation { path: path.to_owned(), root: root.to_owned() };
    DataSet::open(&location, &transform::parse(steps)?, on_bad_input)
}

fn open(root: &Path, path: &str, steps: &str) -> Result<DataSet> {
    open_with(root, path, steps, OnBadInput::Fail)
}

/// The error of opening.
fn refusal(root: &Path, path: &str, steps: &str) -> Error {
    open(root, path, steps).expect_err("it opens")
}

/// All values of the first field as floats, padding left out.
fn values(data: &DataSet, size: usize) -> Vec<f32> {
    let row: usize = data.shape().iter().product();
    data.batches(size)
        .map(|batch| batch.unwrap())
        .flat_map(|batch| batch.fields[0].values.to_floats()[..batch.inputs * row].to_vec())
        .collect()
}

fn batches(data: &DataSet, size: usize) -> Vec<Batch> {
    data.batches(size).collect::<Result<_>>().unwrap()
}

/// A `.npy` file of version 1.
fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
}

/// An idx file of bytes.
fn idx(shape: &[u32], data: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, u8::try_from(shape.len()).unwrap()];
    shape.iter().for_each(|size| file.extend(size.to_be_bytes()));
    file.extend(data);
    file
}

fn gzip(data: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// A zip of files.
fn zipped(files: &[(&str, Vec<u8>)], method: zip::CompressionMethod) -> Vec<u8> {
    use std::io::Write;
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, data) in files {
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        writer.start_file(*name, options).unwrap();
        writer.write_all(data).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Top bytes of a linear congruential generator: the noise of `pillow_resize.txt`.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 12345u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256_of_f32(values: &[f32]) -> String {
    sha256(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}
