//! What cannot be compared, and values that are no numbers.

use super::*;

#[test]
fn what_cannot_be_compared_is_one_clear_error() {
    let lonely = Set::line(&[(0.0, 0), (1.0, 0), (2.0, 4)]);
    for name in ["lsa", "mdsa", "lsc", "mdsc"] {
        assert_eq!(
            refusal(name, &lonely),
            format!(
                "`{name}` needs two profile inputs of each class, and the model predicts class 4 for one only\n  \
                 help: give more profile inputs, usually the training set, or measure `dsa`"
            )
        );
    }
    same(&scores("dsa", &lonely, &Set::line(&[(3.0, 4)])), &[1.0]);
    assert_eq!(
        refusal("dsa", &Set::line(&[(0.0, 3), (1.0, 3)])),
        "`dsa` compares classes, and the model predicts class 3 for every profile input (2)\n  \
         help: is the transform the one the model was trained with? Else give a profile set of several classes"
    );
    assert_eq!(
        refusal("mdsa", &Set::line(&[(2.0, 3), (2.0, 3)])),
        "`mdsa`: all 2 profile inputs of class 3 have the same activation trace\n  \
         help: give more profile inputs, or look at another layer"
    );
    let pair = Set::line(&[(1.0, 3), (2.0, 3)]);
    assert_eq!(
        refusal("mdsc", &pair),
        "`mdsc`: its buckets would lie above 1 and up to 1, bounds from the profile's own scores where not given: there is no room for them\n  \
         help: give a `lower` that is below `upper`"
    );
    assert_eq!(
        refusal("mdsc(lower=3, upper=2)", &pair),
        "`mdsc`: its buckets would lie above 3 and up to 2: there is no room for them\n  \
         help: give a `lower` that is below `upper`"
    );
    let nothing = Set { widths: vec![1], rows: vec![], classes: vec![] };
    assert_eq!(
        refusal("dsa", &nothing),
        "`dsa` has nothing to compare with: the profile set has no input\n  \
         help: name the training inputs as `profile` of the data"
    );
    let broken = Set::line(&[(f32::NAN, 0), (f32::INFINITY, 1)]);
    assert_eq!(
        refusal("dsa", &broken),
        "`dsa` has nothing to compare with: each of the 2 profile inputs has a value that is not finite in layer layer0\n  \
         help: look at another layer, or repair the model: its activations overflow"
    );
    let empty = Set { widths: vec![0], rows: vec![vec![]; 2], classes: vec![0, 1] };
    assert_eq!(
        refusal("dsa", &empty),
        "`dsa` has no neuron to look at\n  help: select a layer: `layer = \"penultimate\"`"
    );
    let started = |profile: Option<&[LayerProfile]>| {
        let start = Start { layers: &pair.layers(), neurons: &pair.widths, profile };
        registry::criterion(&"dsa".parse().unwrap()).unwrap().start(start).err().expect("refused").to_string()
    };
    assert_eq!(
        started(None),
        "`dsa` needs a profile set\n  \
         help: name the inputs that test inputs are compared with as `profile` of the data, usually the training set"
    );
    assert_eq!(
        started(Some(&[LayerProfile::default()])),
        "`dsa` is started without the activation traces of layer layer0\n  \
         help: start it with a profile that was made for its needs"
    );
    let wide = Set {
        widths: vec![40_000],
        rows: (0..4).map(|at| vec![at as f32; 40_000]).collect(),
        classes: vec![0, 0, 1, 1],
    };
    assert_eq!(
        refusal("mdsa", &wide),
        "`mdsa` would need 23.8 GiB of memory for the covariances of classes\n  \
         help: count channels (`neurons = \"channel\"`), take fewer layers, or measure `dsa`"
    );
}

#[test]
fn values_that_are_no_numbers_are_left_out_and_counted() {
    let (mut profile, mut test) = (clusters(200, &[3, 2], 2, 13), clusters(50, &[3, 2], 2, 14));
    for text in ["lsa", "dsa", "mdsa"] {
        let expected = scores(text, &profile, &test);
        let (whole, own) = (profile.clone(), test.clone());
        profile.rows.insert(5, vec![0.0, f32::NAN, 0.0, 0.0, 0.0]);
        profile.classes.insert(5, 1);
        test.rows[7][4] = f32::INFINITY;
        let found = figures(text, &profile, &test);
        let scores = &found.per_input.columns[0].1;
        assert!(scores[7].is_nan() && found.value.unwrap().is_finite());
        for at in (0..50).filter(|at| *at != 7) {
            // Products of matrices may differ in the last place where rows stand elsewhere; distances do not.
            let tolerance = if text == "dsa" { 0.0 } else { 1e-13 * expected[at].abs().max(1.0) };
            assert!((scores[at] - expected[at]).abs() <= tolerance, "{text} {at}");
        }
        assert_eq!(
            (&found.details["skipped_inputs"], &found.details["profile_skipped_inputs"]),
            (&1.into(), &1.into())
        );
        assert_eq!(found.details["unknown_class"], 0);
        (profile, test) = (whole, own);
    }
}
