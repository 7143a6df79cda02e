//! Requirements and tolerances of all levels: where they stand, and which are refused before anything is measured.

use super::settle::{BASE, Package};
use super::*;
use crate::declare::ModelSource;
use crate::private::Registration;

#[test]
fn requirements_know_where_they_stand() {
    let package = Package::new();
    let config = package.config(&format!(
        "{BASE}[tests.lenet]\nrequire=['nac >= 0.2',\n  'per_class(min) >= 0.1']\n[defaults]\nrequire=['accuracy >= 0.9']\n"
    ));
    let declaration = resolve(&package.registration(), &config).expect("a declaration");
    let places = declaration.requirements.iter().map(|requirement| {
        let origin = requirement.origin.as_ref().expect("a place");
        (requirement.to_string(), origin.source, format!("{origin}:{}", origin.column), origin.text.clone())
    });
    let wanted = [
        ("nc >= 0.4", Source::Attribute, "tests/coverage.rs:8:5", ""),
        ("nac >= 0.2", Source::Test, "cleanai.toml:8:10", "nac >= 0.2"),
        ("nac.per_class(min) >= 0.1", Source::Test, "cleanai.toml:9:3", "per_class(min) >= 0.1"),
        ("accuracy >= 0.9", Source::Defaults, "cleanai.toml:11:10", "accuracy >= 0.9"),
    ];
    let wanted =
        wanted.map(|(text, source, place, written)| (text.to_owned(), source, place.to_owned(), written.to_owned()));
    assert_eq!(places.collect::<Vec<_>>(), wanted);
}

#[test]
fn what_can_never_hold_is_told_before_anything_is_measured() {
    let package = Package::new();
    let refused = |requirements: &'static [&'static str], table: &str| {
        let registration = Registration { requirements, places: &[(8, 5), (9, 5)], ..package.registration() };
        resolve(&registration, &package.config(&format!("{BASE}{table}"))).unwrap_err().to_string()
    };
    assert_eq!(
        refused(&["accuracy >= 0.9", "nc >= 1.2"], ""),
        "`nc >= 1.2` can never hold: a share is never above 1\n  at tests/coverage.rs:9:5\n  \
         help: the most that can be asked for is `nc >= 1`"
    );
    // Between the levels, at the one that is nearer to the test's table; the other is named.
    let both = refused(&["nc <= 0.4"], "[tests.lenet]\nrequire=['nc >= 0.5']");
    assert!(
        both.starts_with("`nc >= 0.5` contradicts `nc <= 0.4` (tests/coverage.rs:8): no figure meets both\n  at "),
        "{both}"
    );
    assert!(
        both.contains("cleanai.toml:8:10\n  help: remove one, or swap the bounds: `nc >= 0.4` and `nc <= 0.5`"),
        "{both}"
    );
    // What the attribute replaces contradicts nothing.
    let registration = Registration { requirements: &["nc >= 0.1", "nc <= 0.4"], ..package.registration() };
    assert!(resolve(&registration, &package.config(&format!("{BASE}[defaults]\nrequire=['nc >= 0.5']"))).is_ok());
    assert!(refused(&["nc >= 0.4", "nc > 0.5"], "").contains("bounds already\n  at tests/coverage.rs:9:5"));
}

#[test]
fn bounds_relative_to_what_is_not_there_are_refused() {
    let package = Package::new();
    let registration = Registration { requirements: &["nc >= against - 0.02"], ..package.registration() };
    let error = resolve(&registration, &package.config(BASE)).unwrap_err().to_string();
    assert_eq!(
        error,
        "`nc >= against - 0.02` compares with another model, and none is named\n  at tests/coverage.rs:8:5\n  \
         help: add `against = \"old.pt\"` to the attribute or to [tests.lenet]"
    );
    let registration = Registration { requirements: &["nc >= baseline"], ..package.registration() };
    assert!(resolve(&registration, &package.config(BASE)).is_ok());
    let error = resolve(&registration, &package.config(&format!("{BASE}[baseline]\nenabled=false"))).unwrap_err();
    assert_eq!(error.what(), "`nc >= baseline` compares with the baseline, which is turned off");
}

#[test]
fn another_model_is_named_by_the_attribute_or_the_table() {
    let package = Package::new();
    let models = "[models.old]\npath='models/lenet5.pt'\ndevice='cuda:2'\n";
    let config = package.config(&format!("{BASE}{models}[tests.lenet]\nagainst='old'"));
    let declared = resolve(&package.registration(), &config).expect("a declaration");
    let against = declared.against.expect("a model");
    assert_eq!((against.name.as_str(), against.options.device), ("old", DeviceChoice::Cuda(2)));
    assert_eq!(against.source, ModelSource::File(package.path("models/lenet5.pt")));
    let mut registration = package.registration();
    registration.against = Some("models/lenet5.pt");
    registration.device = Some("cpu");
    let against = resolve(&registration, &config).expect("a declaration").against.expect("a model");
    assert_eq!((against.name.as_str(), against.options.device), ("models/lenet5.pt", DeviceChoice::Cpu));
    registration.against = Some("odl");
    let error = resolve(&registration, &config).unwrap_err();
    assert_eq!((error.what(), error.help()), ("`against`: there is no model `odl`", Some("did you mean `old`?")));
}

#[test]
fn the_tolerances_of_a_test_go_before_those_of_all() {
    let package = Package::new();
    let baseline = "[baseline]\ntolerance={ default=0.01, nc={ neurons=2 }, nlc={ relative=0.1 } }\n";
    let with = |table: &str| {
        let config = package.config(&format!("{BASE}{baseline}[tests.lenet]\n{table}\n"));
        resolve(&package.registration(), &config)
    };
    let policy = with("tolerance={ items=3 }").expect("a declaration").baseline;
    assert_eq!(policy.tolerance, Tolerance::Items(3));
    assert_eq!(policy.per_criterion["nc"], Tolerance::Neurons(2), "a criterion's own is nearer than a default");
    let policy = with("tolerance={ nc=0.5 }").expect("a declaration").baseline;
    assert_eq!((policy.tolerance, policy.per_criterion["nc"]), (Tolerance::Absolute(0.01), Tolerance::Absolute(0.5)));
    assert_eq!(policy.per_criterion["nlc"], Tolerance::Relative(0.1));
    let error = with("tolerance={ neurons=3 }\nrequire=['accuracy >= 0.9']").unwrap_err();
    assert!(error.what().starts_with("`accuracy` counts no neurons, so the tolerance `{ neurons = 3 }`"), "{error}");
}
