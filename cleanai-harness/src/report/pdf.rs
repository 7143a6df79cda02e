//! The report to print, archive and sign: PDF, A4, a cover, contents, and a section per test.
//!
//! The same outcomes give the same bytes. Where `SOURCE_DATE_EPOCH` is set (see reproducible-builds.org), every date is that one and no
//! duration is shown, so that two runs over the same model and data give the same bytes too; else the date is the start of the earliest
//! test. Fonts are embedded. They have Latin, Greek and Cyrillic letters; others are written as `\u{5c64}`, and the report says so.

mod baseline;
mod cleanai;
mod content;
mod cover;
mod details;
mod facts;
mod font;
mod importance;
mod layers;
mod layout;
mod monitor;
mod origin;
mod pages;
mod plot;
mod reliability;
mod requirements;
mod section;
mod surprise;
mod table;

use std::borrow::Cow;
use std::path::Path;

use lopdf::Bookmark;
use printpdf::{CustomPdfConformance, OffsetDateTime, PdfConformance, PdfParseErrorSeverity, PdfSaveOptions};
use sha2::{Digest, Sha256};

use super::cleanai::Analysis;
use super::{Outcome, date, file, message};
use crate::measure::Seconds;
use crate::{Error, ErrorKind, Result};
use origin::Origin;
use pages::Pages;

/// When a report was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moment {
    /// Seconds since the Unix epoch; `None` without tests and without `SOURCE_DATE_EPOCH`.
    seconds: Option<u64>,
    /// Whether it was given, and times of the run are not shown.
    fixed: bool,
}

/// Writes the report of a run.
///
/// # Errors
/// If the file cannot be written or `SOURCE_DATE_EPOCH` is no number of seconds.
pub fn write(outcomes: &[Outcome], path: &Path) -> Result<()> {
    let moment = moment_of(outcomes, source_date().as_deref())?;
    file::write(path, &render(outcomes, moment, &Origin::of_environment(moment.fixed))?)
}

fn source_date() -> Option<String> {
    std::env::var_os("SOURCE_DATE_EPOCH").map(|text| text.to_string_lossy().into_owned())
}

/// Writes the report of an analysis in the style of the CleanAI library. `now`, in seconds since the Unix epoch, is its date unless
/// `SOURCE_DATE_EPOCH` is set.
///
/// # Errors
/// If the file cannot be written or `SOURCE_DATE_EPOCH` is no number of seconds.
pub fn write_analysis(analysis: &Analysis, now: u64, path: &Path) -> Result<()> {
    let date = epoch_of(source_date().as_deref())?.unwrap_or(now);
    file::write(path, &render_analysis(analysis, date)?)
}

/// The bytes of an analysis's report.
fn render_analysis(analysis: &Analysis, date: u64) -> Result<Vec<u8>> {
    let mut pages = cleanai::document(analysis, date)?;
    let subject = format!("{} on {}", analysis.pair.model.path, analysis.pair.data.path);
    describe(&mut pages, Some(date), cleanai::TITLE.to_string(), subject, Origin::default().maker())?;
    // Times differ from run to run, and are not shown.
    let shown =
        (&analysis.pair.model, &analysis.pair.criteria, &analysis.several.criteria, &analysis.draw.several, date);
    save(&pages, identifier(&shown)?)
}

/// The moment a report bears.
fn moment_of(outcomes: &[Outcome], epoch: Option<&str>) -> Result<Moment> {
    let given = epoch_of(epoch)?;
    let seconds = given.or_else(|| outcomes.iter().map(|outcome| outcome.started).min());
    Ok(Moment { seconds, fixed: given.is_some() })
}

fn epoch_of(epoch: Option<&str>) -> Result<Option<u64>> {
    let Some(text) = epoch else { return Ok(None) };
    text.trim().parse().map(Some).map_err(|_| {
        let what = format!("SOURCE_DATE_EPOCH is `{text}`, not a number of seconds since 1970");
        Error::new(ErrorKind::Configuration, what).with_help("unset it, or give it a whole number")
    })
}

/// The bytes of the report.
fn render(outcomes: &[Outcome], moment: Moment, origin: &Origin) -> Result<Vec<u8>> {
    let outcomes = at(outcomes, moment);
    let mut pages = content::document(&outcomes, moment, origin)?;
    let title = format!("{}: {}", content::TITLE, message::status_word(message::overall(&outcomes)));
    describe(&mut pages, moment.seconds, title, message::counts(&outcomes), origin.maker())?;
    save(&pages, identifier(&(outcomes, moment.seconds, origin.maker(), &origin.commit))?)
}

/// The outcomes without their times where the moment is fixed: those differ from run to run. So does whether a figure was measured before.
fn at(outcomes: &[Outcome], moment: Moment) -> Cow<'_, [Outcome]> {
    let Moment { seconds: Some(seconds), fixed: true } = moment else { return Cow::Borrowed(outcomes) };
    let mut outcomes = outcomes.to_vec();
    for outcome in &mut outcomes {
        (outcome.started, outcome.seconds) = (seconds, 0.0);
        if let Some(measurement) = &mut outcome.measurement {
            (measurement.seconds, measurement.cached) = (Seconds::default(), None);
        }
    }
    Cow::Owned(outcomes)
}

/// Title, dates and standard in the document's own description.
fn describe(pages: &mut Pages, date: Option<u64>, title: String, subject: String, author: String) -> Result<()> {
    let seconds = i64::try_from(date::held(date.unwrap_or(0))).unwrap_or(0);
    let date = OffsetDateTime::from_unix_timestamp(seconds)
        .map_err(|why| Error::new(ErrorKind::Io, format!("the report's date {seconds} cannot be written: {why}")))?;
    let info = &mut pages.document.metadata.info;
    (info.creation_date, info.modification_date, info.metadata_date) = (date, date, date);
    // No claim to a standard: nothing checks one.
    info.conformance =
        PdfConformance::Custom(CustomPdfConformance { allows_default_fonts: true, ..CustomPdfConformance::default() });
    info.document_title = title;
    info.subject = subject;
    info.author = author;
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

fn save(pages: &Pages, identifier: String) -> Result<Vec<u8>> {
    let failed = |why: &dyn std::fmt::Display| Error::new(ErrorKind::Io, format!("cannot make the PDF report: {why}"));
    let mut warnings = Vec::new();
    let mut file = pages.document.to_lopdf_document(&PdfSaveOptions::default(), &mut warnings);
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
    outline(&mut file, pages);
    let outline = file.build_outline();
    let catalog = file.catalog_mut().map_err(|why| failed(&why))?;
    if let Some(outline) = outline {
        catalog.set("Outlines", outline);
        catalog.set("PageMode", "UseOutlines");
    }
    file.compress();
    let mut bytes = Vec::new();
    file.save_to(&mut bytes).map_err(|why| failed(&why))?;
    Ok(bytes)
}

/// Names the sections and, below each, its parts.
fn outline(file: &mut lopdf::Document, pages: &Pages) {
    let sheets = file.get_pages();
    let mut above = None;
    for section in &pages.outline {
        let page = u32::try_from(section.sheet + 1).ok().and_then(|number| sheets.get(&number));
        let Some(page) = page else { continue };
        let bookmark = Bookmark::new(section.name.clone(), [0.0; 3], 0, *page);
        if section.is_part {
            file.add_bookmark(bookmark, above);
        } else {
            above = Some(file.add_bookmark(bookmark, None));
        }
    }
}

#[cfg(test)]
mod tests;
