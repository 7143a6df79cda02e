//! What `#[coverage]` registers.

/// What the attribute knows of the criteria; it cannot ask the registry, which is built later than it.
#[path = "../../cleanai-macros/src/names.rs"]
#[allow(dead_code)]
mod names;

use cleanai_harness::criteria::registry;
use cleanai_harness::declare::{Requirement, Selector};
use cleanai_harness::prelude::*;
use cleanai_harness::private::{NeuronKind, NonFinite, Registration, inventory};

#[cleanai::coverage(model = "lenet5.pt", nc >= 0.4, kmnc(k = 1_000) >= 0.5)]
fn empty() {}

#[cleanai::coverage(
    cleanai::nc >= 0.1,
    model = "lenet5",
    data = "digits",
    layers = ["conv1", " class:ReLU "],
    neurons = "unit",
    batch = 16,
    device = "cuda:1",
    against = "old.pt",
    non_finite = "ignore",
    crate = ::cleanai_harness,
)]
fn options(_: &Measurement) {}

#[rustfmt::skip]
#[cleanai::coverage(
    model = "m",
    nc() >= 1, nc(threshold = 0.50) > -0.25, nc <= 1e-9, tknp < 1_000,
    kmnc(k = 100)@conv2 >= 0.2,
    nac @ layer4.* >= 0.1, nac@"layer4.0.relu#2" >= 0.1, nac@layer4.0.1.relu >= 0.1, nac@class:ReLU >= 0.1, nac@[ab]*.{x,y}/relu >= 0.1,
    nac@"layer4/*" >= 0.1, nac@["a", "b"] >= 0.1, nac(layer = "penultimate", neurons = "unit")>=0.1,
    acme::own(a = [1, [-2.5, "x\"y\\z"]], b = true, c = 2..=4, d = -3) >= 0.1,
    src(untrusted = "data/noise").auroc >= 0.95, mrc(q = 5, untrusted = "n.npz#0..9")@conv2 >= 0.9,
    acme::own(untrusted = "x").auroc >= 0.95, acme::own.auroc >= 0.5, acme::own@"conv2".auroc >= 0.95,
    tknc >= baseline, tknc >= 0.1, tknc <= against + 0.10, snac >= baseline * 0.98, snac < baseline-1e-3,
    kmnc(k = 9).per_class(min) >= 0.3, per_layer(mean) > baseline, uncovered <= 12, covered >= 1_000,
    nbc@"conv2".per_layer(max) <= 0.25, nbc.uncovered@conv2 >= baseline - 0,
)]
fn grammar() {}

#[cleanai::coverage(model = "m", nc >= 0.4)]
fn question_mark(m: &Measurement) -> Result<(), Failed> {
    // The example of the design.
    let worst = m.layers("kmnc(k=1000)")?.min_by_value();
    ensure!(worst.value > 0.05, "{} is nearly untested", worst.name);
    Ok(())
}

#[cleanai::coverage(model = "m", nc >= 0.4)]
#[allow(clippy::needless_lifetimes)]
fn other_error<'m>(m: &'m Measurement) -> Result<(), std::num::ParseIntError> {
    m.data.path.parse::<u8>().map(drop)
}

// The name of the generated code's own variable.
#[cleanai::coverage(model = "m", nc >= 0.4)]
fn measurement(measurement: &Measurement) {
    assert_eq!(measurement.data.inputs, 7);
}

#[cleanai::coverage(model = "m", nc >= 0.4)]
fn no_parameter() -> Result<(), String> {
    Err("no parameter".into())
}

#[cleanai::coverage(model = "m", nc >= 0.4)]
#[ignore = "slow"]
fn r#try() {}

#[cleanai::coverage(model = "m", nc >= 0.4)]
#[cfg_attr(all(), ignore, doc = "kept")]
fn ignored_here() {}

#[cleanai::coverage(model = "m", nc >= 0.4)]
#[cfg_attr(any(), ignore)]
fn ignored_elsewhere() {}

#[cleanai::coverage(model = "m", nc >= 0.4)]
#[cfg(any())]
fn not_here() {}

mod deep {
    use cleanai_harness::prelude::*;

    #[cleanai::coverage(model = "m", nc >= 0.4)]
    fn empty() {}
}

macro_rules! tests {
    ($($name:ident: $bound:expr, $kind:ty;)*) => {
        $(
            #[cleanai::coverage(model = "m", nc >= 0.4)]
            fn $name(_: $kind) -> Result<(), Failed> {
                ensure!($bound > 1);
                Ok(())
            }
        )*
    };
}

tests! { of_macro: 2, &Measurement; }

fn registration(name: &str) -> &'static Registration {
    let mut found = inventory::iter::<Registration>().filter(|registration| registration.test_name() == name);
    let first = found.next().unwrap_or_else(|| panic!("{name} is not registered"));
    assert!(found.next().is_none(), "{name} is registered twice");
    first
}

fn measured() -> Measurement {
    serde_json::from_value(serde_json::json!({
        "schema": 1,
        "model": { "path": "m.pt", "sha256": "", "format": "torchscript", "parameters": 0, "layers": [] },
        "data": { "path": "300", "inputs": 7, "skipped": 0, "shape": [1], "profile": null, "profile_inputs": null, "profile_skipped": null, "transform": "" },
        "settings": { "device": "cpu", "batch": 1, "layers": "default", "neurons": "channel", "libtorch": "2.13.0", "cleanai": "0.1.0", "non_finite_skipped": 0 },
        "criteria": { "kmnc(k=1000)": { "value": 0.5, "covered": 1, "total": 2, "details": {}, "layers": [
            { "name": "conv1", "value": 0.5, "covered": 1, "total": 2 },
            { "name": "conv2", "value": 0.015625, "covered": 1, "total": 64 },
        ] } },
        "seconds": { "load": 0.0, "decode": 0.0, "profile": 0.0, "forward": 0.0, "criteria": 0.0, "total": 0.0 },
    }))
    .expect("a measurement")
}

fn run(name: &str) -> Result<(), String> {
    registration(name).body.expect("a body")(&measured()).map_err(|failed| failed.message().to_owned())
}

#[test]
fn every_fact_is_registered() {
    let empty = registration("empty");
    assert_eq!((empty.name, empty.module_path, empty.target), ("empty", "attribute", "attribute"));
    assert_eq!(empty.package, "cleanai-harness");
    assert!(empty.file.ends_with("tests/attribute.rs"), "{}", empty.file);
    assert_eq!((empty.line, empty.column), (13, 1));
    assert_eq!(empty.places, [(13, 42), (13, 53)]);
    assert_eq!(empty.manifest_dir, env!("CARGO_MANIFEST_DIR"));
    assert_eq!(empty.package_dir(), std::path::Path::new(env!("CARGO_MANIFEST_DIR")));
    assert_eq!(empty.model, "lenet5.pt");
    assert_eq!(empty.requirements, ["nc >= 0.4", "kmnc(k=1000) >= 0.5"]);
    assert!(empty.body.is_none() && !empty.ignored);
    assert_eq!(
        (empty.data, empty.layers, empty.neurons, empty.batch, empty.device, empty.non_finite),
        Default::default()
    );

    let options = registration("options");
    assert_eq!(options.requirements, ["cleanai::nc >= 0.1"]);
    assert_eq!((options.data, options.layers), (Some("digits"), Some("[\"conv1\",\"class:ReLU\"]")));
    assert_eq!(
        options.layers.expect("layers").parse::<Selector>().expect("a selector"),
        Selector::Any(vec![Selector::Glob("conv1".into()), Selector::Class("ReLU".into())])
    );
    assert_eq!((options.neurons, options.batch), (Some(NeuronKind::Unit), Some(16)));
    assert_eq!((options.device, options.non_finite), (Some("cuda:1"), Some(NonFinite::Ignore)));
    assert!(options.body.is_some());
    assert_eq!((options.against, empty.against), (Some("old.pt"), None));

    assert_eq!(registration("deep::empty").module_path, "attribute::deep");
}

#[test]
fn every_requirement_knows_its_place() {
    let source = include_str!("attribute.rs");
    let at = |(line, column): (u32, u32)| {
        let line = source.lines().nth(line as usize - 1).expect("a line");
        line.chars().skip(column as usize - 1).collect::<String>()
    };
    for name in ["empty", "options", "grammar", "deep::empty"] {
        let registration = registration(name);
        assert_eq!(registration.places.len(), registration.requirements.len(), "{name}");
        for (index, (place, text)) in registration.places.iter().zip(registration.requirements).enumerate() {
            let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
            let written = word(&at(*place));
            assert!(word(text) == written || text.contains(&format!(".{written}")), "{text} at {place:?}: {written}");
            assert_eq!(registration.origin(index).line, place.0 as usize);
        }
    }
    // What a macro writes stands where the macro is called.
    let called = at(registration("of_macro").places[0]);
    assert!(called.contains("of_macro: 2") || called.contains("nc >= 0.4"), "{called}");
}

#[test]
fn requirements_are_registered_in_canonical_text() {
    let texts = registration("grammar").requirements;
    assert_eq!(
        texts,
        [
            "nc >= 1",
            "nc(threshold=0.5) > -0.25",
            "nc <= 1e-9",
            "tknp < 1000",
            "kmnc(k=100,layers=\"conv2\") >= 0.2",
            "nac(layers=\"layer4.*\") >= 0.1",
            "nac(layers=\"layer4.0.relu#2\") >= 0.1",
            "nac(layers=\"layer4.0.1.relu\") >= 0.1",
            "nac(layers=\"class:ReLU\") >= 0.1",
            "nac(layers=\"[ab]*.{x,y}/relu\") >= 0.1",
            "nac(layers=\"layer4/*\") >= 0.1",
            "nac(layers=[\"a\",\"b\"]) >= 0.1",
            "nac(layers=\"penultimate\",neurons=\"unit\") >= 0.1",
            "acme::own(a=[1,[-2.5,\"x\\\"y\\\\z\"]],b=true,c=2..=4,d=-3) >= 0.1",
            "src(untrusted=\"data/noise\").auroc >= 0.95",
            "mrc(layers=\"conv2\",q=5,untrusted=\"n.npz#0..9\") >= 0.9",
            "acme::own(untrusted=\"x\").auroc >= 0.95",
            "acme::own.auroc >= 0.5",
            "acme::own(layers=\"conv2\").auroc >= 0.95",
            "tknc >= baseline",
            "tknc >= 0.1",
            "tknc <= against + 0.1",
            "snac >= baseline * 0.98",
            "snac < baseline - 0.001",
            "kmnc(k=9).per_class(min) >= 0.3",
            "kmnc(k=9).per_layer(mean) > baseline",
            "kmnc(k=9).uncovered <= 12",
            "kmnc(k=9).covered >= 1000",
            "nbc(layers=\"conv2\").per_layer(max) <= 0.25",
            "nbc(layers=\"conv2\").uncovered >= baseline",
        ]
    );
    for text in texts {
        let read: Requirement = text.parse().expect(text);
        assert_eq!(read.to_string(), *text);
    }
}

#[test]
fn bodies_run() {
    assert_eq!(run("question_mark"), Err("conv2 is nearly untested".to_owned()));
    assert_eq!(run("other_error"), Err("number too large to fit in target type".to_owned()));
    assert_eq!(run("measurement"), Ok(()));
    assert_eq!(run("no_parameter"), Err("no parameter".to_owned()));
    assert_eq!(run("of_macro"), Ok(()));
}

#[test]
fn ignore_and_cfg_are_honoured() {
    assert!(registration("try").ignored);
    assert!(registration("ignored_here").ignored);
    assert!(!registration("ignored_elsewhere").ignored);
    assert!(inventory::iter::<Registration>().all(|registration| registration.name != "not_here"));
}

#[test]
fn snapshots_lie_beside_the_file_under_the_name_of_its_module() {
    // Both are committed: `tests/snapshots/attribute__kept.snap` and `attribute__deep__kept.snap`.
    (registration("empty").assert_snapshot)("kept", "beside the attribute");
    (registration("deep::empty").assert_snapshot)("kept", "within a module");
}

#[test]
fn the_attribute_knows_the_criteria_of_the_registry() {
    let common = ["layers", "layer", "neurons"];
    let sorted = |mut all: Vec<(&'static str, Vec<&'static str>)>| {
        all.iter_mut().for_each(|(_, parameters)| parameters.sort_unstable());
        all.sort_unstable();
        all
    };
    let known = names::CRITERIA.iter().map(|criterion| {
        let parameters = criterion.parameters().map(|(name, _)| name);
        (criterion.name, parameters.filter(|name| !common.contains(name)).collect())
    });
    // What has a namespace is looked up when the test is planned.
    let bare = registry::descriptions().into_iter().filter(|description| !description.name.contains("::"));
    let registered = bare.map(|description| {
        let parameters = description.parameters.iter().map(|parameter| parameter.name);
        (description.name, parameters.filter(|name| !common.contains(name)).collect())
    });
    assert_eq!(sorted(known.collect()), sorted(registered.collect()));
    for criterion in names::CRITERIA {
        let description = registry::descriptions().into_iter().find(|known| known.name == criterion.name);
        assert_eq!(criterion.is_share, description.expect("known").value.is_share(), "{}", criterion.name);
    }
}
