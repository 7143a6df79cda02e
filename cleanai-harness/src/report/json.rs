//! JSON: one measurement (`cargo cleanai measure --json`) and the document of a whole run.

use std::path::Path;

use super::{Outcome, file};
use crate::Result;
use crate::measure::Measurement;

/// Version of the run document.
const SCHEMA: u32 = 1;

/// All tests of a run.
#[derive(serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Run<'a> {
    /// Version of this document's form, 1.
    #[cfg_attr(test, schemars(range(min = 1, max = 1)))]
    schema: u32,
    /// The version of CleanAI that wrote it.
    cleanai: &'static str,
    /// Test by test, in the order of the source.
    outcomes: &'a [Outcome],
}

/// The JSON Schema (draft 2020-12) of [`run`]'s document; the crate has it as the file `docs/run.schema.json`.
///
/// ```
/// let schema = cleanai_harness::report::json::run_schema();
/// assert!(schema.contains("\"$schema\": \"https://json-schema.org/draft/2020-12/schema\""));
/// ```
pub fn run_schema() -> &'static str {
    include_str!("../../docs/run.schema.json")
}

/// A run as a document `{"schema":1,"cleanai":VERSION,"outcomes":[...]}`, indented, with a line break at its end.
///
/// Figures have all their digits: read back they are the same `f64`. A figure that does not exist, and NaN or an infinity,
/// which JSON cannot hold, is `null`.
pub fn run(outcomes: &[Outcome]) -> String {
    indented(&Run { schema: SCHEMA, cleanai: env!("CARGO_PKG_VERSION"), outcomes })
}

/// Writes [`run`] to a file.
///
/// # Errors
/// If the file cannot be written.
pub fn write(outcomes: &[Outcome], path: &Path) -> Result<()> {
    file::write(path, run(outcomes).as_bytes())
}

/// One measurement as JSON, indented, with a line break at its end:
///
/// `{"schema":1,"model":{"path","sha256","parameters","layers",…},"data":{"inputs",…},"criteria":{"kmnc(k=1000)":{"value",
/// "covered","total","layers":[{"name","value","covered","total"}],"details",…}},"seconds":{"load","decode","profile",
/// "forward","criteria","total"}}`
///
/// Figures as in [`run`].
pub fn measurement_json(measurement: &Measurement) -> String {
    indented(measurement)
}

fn indented(value: &impl serde::Serialize) -> String {
    // Our records have string keys and derived implementations, and a string takes all that is written: nothing can fail.
    let mut text = serde_json::to_string_pretty(value).expect("a record of plain data is JSON");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::report::sample;

    fn keys(value: &Value) -> Vec<&str> {
        value.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn a_measurement_has_the_documented_shape() {
        let text = measurement_json(&sample::measurement());
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["schema"], 1);
        assert_eq!(json["model"]["path"], "models/lenet5.pt");
        assert_eq!(json["model"]["parameters"], 61_706);
        assert_eq!(json["model"]["sha256"].as_str().unwrap().len(), 64);
        assert_eq!(json["model"]["layers"].as_array().unwrap().len(), 5);
        assert_eq!(json["model"]["layers"][0]["name"], "block1_relu");
        assert_eq!(json["data"]["inputs"], 500);
        let kmnc = &json["criteria"]["kmnc(k=1000)"];
        assert_eq!((&kmnc["covered"], &kmnc["total"]), (&58_464.into(), &230_000.into()));
        assert_eq!(kmnc["details"]["constant_neurons"], 6);
        assert_eq!(keys(&kmnc["layers"][0]), ["covered", "name", "total", "value"]);
        assert_eq!(kmnc["layers"][4]["value"], 0.3197);
        assert_eq!(json["criteria"]["tknp"]["covered"], Value::Null);
        assert_eq!(json["criteria"]["tknp"]["layers"][0]["total"], Value::Null);
        assert_eq!(keys(&json["seconds"]), ["criteria", "decode", "forward", "load", "profile", "total"]);
        assert!(text.contains("\"value\": 0.2541913043478261"), "all digits");
        assert!(text.ends_with("}\n"));
    }

    #[test]
    fn what_json_cannot_hold_is_null() {
        let mut measurement = sample::measurement();
        measurement.criteria.get_mut("nc").unwrap().value = Some(f64::NAN);
        measurement.criteria.get_mut("nbc").unwrap().value = None;
        let json: Value = serde_json::from_str(&measurement_json(&measurement)).unwrap();
        assert_eq!(json["criteria"]["nc"]["value"], Value::Null);
        assert_eq!(json["criteria"]["nbc"]["value"], Value::Null);
    }

    #[test]
    fn a_run_holds_every_outcome() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/run.json");
        let outcomes = sample::all();
        write(&outcomes, &path).unwrap();
        let json: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(json["schema"], 1);
        assert_eq!(json["cleanai"], env!("CARGO_PKG_VERSION"));
        let read: Vec<Outcome> = serde_json::from_value(json["outcomes"].clone()).unwrap();
        assert_eq!(read, outcomes);
    }

    /// What the types say. `CLEANAI_WRITE_SCHEMA=1` writes it where it is published.
    #[test]
    fn the_schema_is_that_of_the_types() {
        let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
        let schema = settings.into_generator().into_root_schema_for::<Run>();
        let text = indented(&schema);
        if std::env::var_os("CLEANAI_WRITE_SCHEMA").is_some_and(|it| it == "1") {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/run.schema.json");
            file::write(&path, text.as_bytes()).unwrap();
            return;
        }
        assert!(
            run_schema() == text,
            "docs/run.schema.json is not that of the types: run this with CLEANAI_WRITE_SCHEMA=1"
        );
    }

    fn validator() -> jsonschema::Validator {
        jsonschema::validator_for(&serde_json::from_str(run_schema()).unwrap()).unwrap()
    }

    #[test]
    fn documents_are_valid() {
        let validator = validator();
        let more = [sample::deep(423), sample::important(), sample::surprising(), sample::calibrated()];
        let mut outcomes = [sample::all(), more.to_vec()].concat();
        outcomes[0].measurement.as_mut().unwrap().criteria.get_mut("nc").unwrap().value = Some(f64::NAN);
        for document in [run(&outcomes), run(&[])] {
            let document: Value = serde_json::from_str(&document).unwrap();
            if let Err(error) = validator.validate(&document) {
                panic!("{error} at {}", error.instance_path());
            }
        }
    }

    #[test]
    fn wrong_documents_are_not() {
        let validator = validator();
        let good: Value = serde_json::from_str(&run(&sample::all())).unwrap();
        let wrong = |change: &dyn Fn(&mut Value)| {
            let mut document = good.clone();
            change(&mut document);
            !validator.is_valid(&document)
        };
        assert!(wrong(&|it| it["schema"] = 2.into()));
        assert!(wrong(&|it| it["outcomes"] = Value::Null));
        assert!(wrong(&|it| it["outcomes"][0]["status"] = "great".into()));
        assert!(wrong(&|it| it["outcomes"][0]["test"]["line"] = "twelve".into()));
        assert!(wrong(&|it| it["outcomes"][0]["requirements"][0]["comparison"] = "near".into()));
        assert!(wrong(&|it| it["outcomes"][0]["measurement"]["criteria"]["nc"]["layers"][0]["value"] = "much".into()));
        assert!(wrong(&|it| {
            it["outcomes"][0]["measurement"]["model"].as_object_mut().unwrap().remove("sha256");
        }));
        assert!(!wrong(&|_| {}));
    }

    proptest::proptest! {
        #[test]
        fn every_digit_survives(bits: u64) {
            let value = f64::from_bits(bits);
            proptest::prop_assume!(value.is_finite());
            let mut measurement = sample::measurement();
            measurement.criteria.get_mut("nc").unwrap().value = Some(value);
            let read: Measurement = serde_json::from_str(&measurement_json(&measurement)).unwrap();
            proptest::prop_assert_eq!(read.criteria["nc"].value.unwrap().to_bits(), bits);
        }
    }
}
