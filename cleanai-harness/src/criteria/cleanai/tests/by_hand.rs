//! Cases worked out by hand, and parameters that are refused.

use super::*;

#[test]
fn nc_is_strict_and_adds_inputs_up() {
    // Means 1, 2 and 0; the second input equals its mean everywhere.
    let stream = Stream::of(&[&[&[0.0, 0.0, 3.0], &[2.0, 2.0, 2.0], &[-1.0, 0.0, 1.0]]]);
    assert_eq!(stream.counts("cleanai::nc"), (2, 9));
    let details = stream.figures("cleanai::nc").details;
    assert_eq!(details["means"]["relu0"], 1.0);
    assert_eq!(details["first_input"]["relu0"]["covered"], 1);
    assert_eq!(details["first_input"]["relu0"]["total"], 3);
    assert_eq!(details["inputs"], 3);
}

#[test]
fn nc_compares_with_the_mean_in_f64() {
    // The mean lies between two neighbours in f32, and rounds to the upper one.
    let (low, high) = (1.0f32, 1.0f32.next_up());
    let stream = Stream::of(&[&[&[low, high, high]]]);
    assert_eq!(stream.counts("cleanai::nc"), (2, 3));
}

#[test]
fn tc_is_strict_on_raw_values() {
    let stream = Stream::of(&[&[&[0.75, 0.75f32.next_up(), -1.0]], &[&[5.0]]]);
    assert_eq!(stream.counts("cleanai::tc"), (2, 4));
    assert_eq!(stream.counts("cleanai::tc(threshold=-2)"), (4, 4));
    // 0.1 in f32 is a little above 0.1 in f64.
    assert_eq!(Stream::of(&[&[&[0.1]]]).counts("cleanai::tc(threshold=0.1)"), (1, 1));
}

#[test]
fn sign_counts_zeros() {
    let stream = Stream::of(&[&[&[0.0, 0.0, 1.0, 2.0, -1.0, -1.0], &[0.0, 1.0, -1.0, 2.0, -3.0, 0.0]]]);
    assert_eq!(stream.counts("cleanai::sign"), (4, 6));
    // The product is too small for f32.
    assert_eq!(Stream::of(&[&[&[1e-30], &[1e-30]]]).counts("cleanai::sign"), (1, 1));
    assert_eq!(stream.figures("cleanai::sign").details["inputs"], serde_json::json!(["0", "1"]));
}

#[test]
fn value_is_strict() {
    let stream = Stream::of(&[&[&[0.0, 0.0, 1.0, -1.0], &[0.75, 0.76, 1.0, 1.0]]]);
    assert_eq!(stream.counts("cleanai::value"), (2, 4));
    assert_eq!(stream.counts("cleanai::value(threshold=0)"), (3, 4));
    assert_eq!(stream.counts("cleanai::value(threshold=-1)"), (4, 4));
}

#[test]
fn later_inputs_change_no_pair() {
    let two = Stream::of(&[&[&[0.0, 1.0], &[1.0, 1.0]]]);
    let three = Stream::of(&[&[&[0.0, 1.0], &[1.0, 1.0], &[-5.0, -5.0]]]);
    assert_eq!(two.counts("cleanai::sign"), (1, 2));
    assert_eq!(three.counts("cleanai::sign"), (1, 2));
}

/// The first layer has one change of sign (unit 0, which also changes its value) and one change of value alone (unit 1).
fn one_sign() -> Stream {
    Stream::of(&[&[&[1.0, 1.0, 1.0], &[-1.0, 3.0, 1.0]], &[&[1.0, 1.0, 1.0, 1.0], &[-1.0, 1.5, 1.9, 1.0]]])
}

#[test]
fn pairs_with_one_sign() {
    // Right: one sign; by more than 0.75 without a sign: unit 2; by more than 0.05: units 1 and 2.
    for (text, covered) in
        [("ss", 1), ("sv", 1), ("vs", 1), ("vv", 2), ("sv(threshold=0.25)", 2), ("vv(threshold=2.5)", 0)]
    {
        assert_eq!(one_sign().counts(&format!("cleanai::{text}")), (covered, 12), "{text}");
    }
    let figures = one_sign().figures("cleanai::vv");
    assert_eq!((figures.layers.len(), figures.layers[0].name.as_str()), (1, "relu0 -> relu1"));
}

#[test]
fn pairs_with_no_sign_and_with_several() {
    let right: &[&[f32]] = &[&[1.0, 1.0], &[-1.0, 1.5]];
    let none = Stream::of(&[&[&[1.0, 1.0, 1.0], &[2.0, 3.0, 1.5]], right]);
    for (text, covered) in [("ss", 0), ("sv", 0), ("vs", 2), ("vv", 2)] {
        assert_eq!(none.counts(&format!("cleanai::{text}")), (covered, 6), "{text}");
    }
    let several = Stream::of(&[&[&[1.0, 1.0, 1.0], &[0.0, 0.0, 9.0]], right]);
    for text in ["ss", "sv", "vs", "vv"] {
        assert_eq!(several.counts(&format!("cleanai::{text}")), (0, 6), "{text}");
    }
}

#[test]
fn a_single_layer_has_no_pairs() {
    let figures = Stream::of(&[&[&[1.0], &[-1.0]]]).figures("cleanai::ss");
    assert_eq!((figures.value, figures.covered, figures.total), (None, Some(0), Some(0)));
}

#[test]
fn tknc_adds_the_largest_up() {
    let stream = Stream::of(&[&[&[1.0, 5.0, 3.0], &[2.0, 2.0, 2.0]], &[&[-1.0], &[4.0]]]);
    let figures = stream.figures("cleanai::tknc(k=2)");
    // 5 + 3, 2 + 2, and the second layer's only unit; k counts for it all the same.
    assert_eq!((&figures.details["sum"], &figures.details["selected"]), (&15.0.into(), &8.into()));
    assert_eq!(figures.value, Some(15.0 / 8.0));
    assert_eq!(figures.details["first_input_sum"], 7.0);
    assert_eq!(figures.layers.iter().map(|layer| layer.value.unwrap()).collect::<Vec<_>>(), [3.0, 0.75]);
    assert_eq!((figures.covered, figures.total), (None, None));
}

#[test]
fn nbc_has_one_range_per_layer() {
    let profile = Stream::of(&[&[&[0.0, 2.0], &[1.0, 3.0]]]).profile();
    // 0 and 3 are the ends of the layer's range, whichever unit they are of.
    let stream = Stream::of(&[&[&[3.0, 0.0], &[3.5, -0.5], &[2.5, 0.5]]]);
    let figures = stream.state("cleanai::nbc", &profile, (0, 3), 3).figures();
    assert_eq!((figures.covered, figures.total), (Some(2), Some(6)));
    assert_eq!(figures.details["bounds"]["relu0"], serde_json::json!([0.0, 3.0]));
    // The pass gives the range of the layer alone.
    let whole = [LayerProfile { low: vec![0.0], high: vec![3.0], ..LayerProfile::default() }];
    assert_eq!(stream.state("cleanai::nbc", &whole, (0, 3), 3).figures(), figures);
    let unknown =
        [LayerProfile { low: vec![f64::INFINITY; 2], high: vec![f64::NEG_INFINITY; 2], ..LayerProfile::default() }];
    assert_eq!(stream.state("cleanai::nbc", &unknown, (0, 3), 3).figures().covered, Some(0));
}

#[test]
fn mnc_intervals_are_closed() {
    // The f32 nearest to 0.1 is above 0.1, so it is in the second interval alone.
    let stream = Stream::of(&[&[&[0.0, 0.1, 0.25, 0.5, 0.6, -0.1]]]);
    let figures = stream.figures("cleanai::mnc");
    assert_eq!(figures.details["intervals_covered"], serde_json::json!([1, 1, 1, 0, 1]));
    assert_eq!(figures.details["first_input_intervals"], serde_json::json!([1, 1, 1, 0, 1]));
    assert_eq!(figures.details["interval_2"], 1.0 / 6.0);
    assert_eq!((figures.covered, figures.total), (Some(4), Some(6)));
    // A unit in two intervals counts in both, and once in the value.
    let figures = stream.figures("cleanai::mnc(intervals=[[0, 0.25], [0.25, 1], [0.25, 0.25]])");
    assert_eq!(figures.details["intervals_covered"], serde_json::json!([3, 3, 1]));
    assert_eq!(figures.value, Some(5.0 / 6.0));
}

#[test]
fn values_left_out_cover_nothing() {
    let nan = f32::NAN;
    let stream = Stream::of(&[&[&[nan, 1.0, 3.0], &[-1.0, nan, nan]], &[&[nan], &[nan]]]);
    for (text, covered) in
        [("nc", 1), ("tc", 2), ("sign", 0), ("value", 0), ("nbc", 0), ("mnc(intervals=[[-9, 9]])", 3)]
    {
        assert_eq!(stream.figures(&format!("cleanai::{text}")).covered, Some(covered), "{text}");
    }
    assert_eq!(stream.figures("cleanai::tknc(k=1)").details["sum"], 2.0);
}

#[test]
fn inputs_may_be_named() {
    let stream = Stream::of(&[&[&[1.0, 1.0], &[1.0, -1.0], &[-1.0, -1.0]]]);
    assert_eq!(stream.counts("cleanai::sign"), (1, 2));
    assert_eq!(stream.counts("cleanai::sign(inputs=[\"2\", \"0\"])"), (2, 2));
    let figures = stream.figures("cleanai::sign(inputs=[\"2\", \"0\"])");
    assert_eq!(figures.details["inputs"], serde_json::json!(["2", "0"]));
    assert_eq!(criterion("cleanai::ss(inputs=[\"2\", \"0\"])").named_inputs(), ["2", "0"]);
}

#[test]
fn two_inputs_must_be_there() {
    let stream = Stream::of(&[&[&[1.0]]]);
    let one = stream.state("cleanai::sign", &[], (0, 1), 1);
    assert_eq!(one.figures().value, None);
    let error = one.check().unwrap_err().to_string();
    assert!(error.starts_with("`cleanai::sign` compares two inputs, and there are fewer"), "{error}");
    let named = stream.state("cleanai::sign(inputs=[\"0\", \"a.png\"])", &[], (0, 1), 1);
    let error = named.check().unwrap_err().to_string();
    assert!(error.contains("`a.png` was not read"), "{error}");
    assert!(stream.state("cleanai::nc", &[], (0, 1), 1).check().is_ok());
}

#[test]
fn wrong_parameters_are_refused() {
    for (text, says) in [
        ("tknc(k=0)", "parameter `k` of `cleanai::tknc` must be a whole number from 1 to 1000000, not 0"),
        (
            "mnc(intervals=[[0.2, 0.1]])",
            "must be a list of 1 to 1000 intervals like [[0, 0.1], [0.1, 0.2]], none from more to less",
        ),
        ("mnc(intervals=[])", "must be a list of 1 to 1000 intervals"),
        ("mnc(intervals=[0, 1])", "must be a list of 1 to 1000 intervals"),
        ("mnc(intervals=[[0, 1, 2]])", "must be a list of 1 to 1000 intervals"),
        ("sign(threshold=1)", "`cleanai::sign` has no parameter `threshold`"),
        ("ss(inputs=[\"a\"])", "must be a list of two different names in quotes"),
        ("ss(inputs=[\"a\", \"a\"])", "must be a list of two different names in quotes"),
        ("vv(inputs=\"a\")", "must be a list of two different names in quotes"),
        ("tc(threshold=true)", "must be a finite number, not true"),
        ("nc(neurons=\"channel\")", "`cleanai::nc` counts units, not channels"),
        ("mnc(neurons=\"channel\")", "`cleanai::mnc` counts units, not channels"),
    ] {
        let error = registry::criterion(&spec(&format!("cleanai::{text}"))).err().expect(text);
        assert_eq!(error.kind(), crate::ErrorKind::Configuration, "{text}");
        assert!(error.to_string().contains(says), "{text}: {error}");
    }
    let mut not_a_number = CriterionSpec::named("cleanai::tc");
    not_a_number.parameters.insert("threshold".to_owned(), crate::declare::Value::Number(f64::NAN));
    assert!(registry::criterion(&not_a_number).is_err());
    for text in ALL {
        assert!(criterion(text).needs().modules);
        criterion(&format!("{}(neurons=\"unit\", layers=\"class:ReLU\")", text.split('(').next().unwrap()));
    }
}

#[test]
fn boundaries_need_a_profile() {
    let stream = Stream::of(&[&[&[1.0]]]);
    let (infos, widths) = (stream.infos(), stream.widths());
    let without = Start { layers: &infos, neurons: &widths, profile: None };
    let error = criterion("cleanai::nbc").start(without).err().unwrap();
    assert!(error.to_string().contains("needs a profile set"), "{error}");
}
