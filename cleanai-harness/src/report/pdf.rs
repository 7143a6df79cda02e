//! The report to print, archive and sign: PDF, A4, a page of overview and a section per test.
//!
//! The same outcomes give the same bytes. The date is `SOURCE_DATE_EPOCH` where it is set (see reproducible-builds.org),
//! else the start of the earliest test. The built-in fonts know only Latin characters; others are written as `\u{5c64}`,
//! and the report says so.

mod cleanai;
mod content;
mod font;
mod importance;
mod layout;
mod monitor;
mod reliability;
mod section;
mod surprise;
mod table;

use std::path::Path;

use printpdf::{
    CustomPdfConformance, OffsetDateTime, PdfConformance, PdfDocument, PdfParseErrorSeverity, PdfSaveOptions,
};
use sha2::{Digest, Sha256};

use super::cleanai::Analysis;
use super::{Outcome, date, file, message};
use crate::{Error, ErrorKind, Result};

/// Writes the report of a run.
///
/// # Errors
/// If the file cannot be written or `SOURCE_DATE_EPOCH` is no number of seconds.
pub fn write(outcomes: &[Outcome], path: &Path) -> Result<()> {
    let epoch = std::env::var_os("SOURCE_DATE_EPOCH");
    let date = date_of(outcomes, epoch.as_ref().map(|text| text.to_string_lossy()).as_deref())?;
    file::write(path, &render(outcomes, date)?)
}

/// Writes the report of an analysis in the style of the CleanAI library. `now`, in seconds since the Unix epoch, is its date unless
/// `SOURCE_DATE_EPOCH` is set.
///
/// # Errors
/// If the file cannot be written or `SOURCE_DATE_EPOCH` is no number of seconds.
pub fn write_analysis(analysis: &Analysis, now: u64, path: &Path) -> Result<()> {
    let epoch = std::env::var_os("SOURCE_DATE_EPOCH");
    let date = epoch_of(epoch.as_ref().map(|text| text.to_string_lossy()).as_deref())?.unwrap_or(now);
    file::write(path, &render_analysis(analysis, date)?)
}

/// The bytes of an analysis's report.
fn render_analysis(analysis: &Analysis, date: u64) -> Result<Vec<u8>> {
    let mut document = cleanai::document(analysis, date)?;
    let subject = format!("{} on {}", analysis.pair.model.path, analysis.pair.data.path);
    describe(&mut document, Some(date), cleanai::TITLE.to_string(), subject)?;
    // Times differ from run to run, and are not shown.
    let shown =
        (&analysis.pair.model, &analysis.pair.criteria, &analysis.several.criteria, &analysis.draw.several, date);
    save(&document, identifier(&shown)?)
}

/// The date a report bears; `None` without tests and without `SOURCE_DATE_EPOCH`.
fn date_of(outcomes: &[Outcome], epoch: Option<&str>) -> Result<Option<u64>> {
    Ok(epoch_of(epoch)?.or_else(|| outcomes.iter().map(|outcome| outcome.started).min()))
}

fn epoch_of(epoch: Option<&str>) -> Result<Option<u64>> {
    let Some(text) = epoch else { return Ok(None) };
    text.trim().parse().map(Some).map_err(|_| {
        let what = format!("SOURCE_DATE_EPOCH is `{text}`, not a number of seconds since 1970");
        Error::new(ErrorKind::Configuration, what).with_help("unset it, or give it a whole number")
    })
}

/// The bytes of the report.
fn render(outcomes: &[Outcome], date: Option<u64>) -> Result<Vec<u8>> {
    let mut document = content::document(outcomes, date)?;
    let title = format!("{}: {}", content::TITLE, message::status_word(message::overall(outcomes)));
    describe(&mut document, date, title, message::counts(outcomes))?;
    save(&document, identifier(&(outcomes, date))?)
}

/// Title, dates and standard in the document's own description.
fn describe(document: &mut PdfDocument, date: Option<u64>, title: String, subject: String) -> Result<()> {
    let seconds = i64::try_from(date::held(date.unwrap_or(0))).unwrap_or(0);
    let date = OffsetDateTime::from_unix_timestamp(seconds)
        .map_err(|why| Error::new(ErrorKind::Io, format!("the report's date {seconds} cannot be written: {why}")))?;
    let info = &mut document.metadata.info;
    (info.creation_date, info.modification_date, info.metadata_date) = (date, date, date);
    // No claim to a standard: the fonts are not embedded.
    info.conformance =
        PdfConformance::Custom(CustomPdfConformance { allows_default_fonts: true, ..CustomPdfConformance::default() });
    info.document_title = title;
    info.subject = subject;
    info.author = "CleanAI".to_string();
    info.creator = concat!("CleanAI ", env!("CARGO_PKG_VERSION")).to_string();
    info.producer = info.creator.clone();
    Ok(())
}

/// Identifies the content: PDF wants 16 bytes or more that differ from other documents'.
fn identifier(content: &impl serde::Serialize) -> Result<String> {
    let text = serde_json::to_vec(content)
        .map_err(|why| Error::new(ErrorKind::Io, format!("cannot identify the PDF report: {why}")))?;
    Ok(Sha256::digest(&text).iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

fn save(document: &PdfDocument, identifier: String) -> Result<Vec<u8>> {
    let failed = |why: &dyn std::fmt::Display| Error::new(ErrorKind::Io, format!("cannot make the PDF report: {why}"));
    let mut warnings = Vec::new();
    let mut file = document.to_lopdf_document(&PdfSaveOptions::default(), &mut warnings);
    if let Some(warning) = warnings.iter().find(|warning| warning.severity == PdfParseErrorSeverity::Error) {
        return Err(failed(&warning.msg));
    }
    // The library counts up an identifier within the process; the same report shall have the same bytes.
    for part in file.trailer.get_mut(b"ID").and_then(|id| id.as_array_mut()).map_err(|why| failed(&why))? {
        *part.as_str_mut().map_err(|why| failed(&why))? = identifier.clone().into_bytes();
    }
    // An empty PDF/X version would still be taken for a claim to PDF/X.
    let info = file.trailer.get(b"Info").and_then(|info| info.as_reference()).map_err(|why| failed(&why))?;
    file.get_dictionary_mut(info).map_err(|why| failed(&why))?.remove(b"GTS_PDFXVersion");
    // A name, where the library writes a string that viewers ignore: show the outline beside the pages.
    file.catalog_mut().map_err(|why| failed(&why))?.set("PageMode", "UseOutlines");
    file.compress();
    let mut bytes = Vec::new();
    file.save_to(&mut bytes).map_err(|why| failed(&why))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
