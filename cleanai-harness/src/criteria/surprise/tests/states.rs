//! The laws of states.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn damaged_states_do_no_harm(
        (profile, test) in small(),
        text in proptest::sample::select(&["dsa", "dsc(n=5)"][..]),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        end in any::<Option<proptest::sample::Index>>(),
    ) {
        let mut state = begin(text, &profile).unwrap();
        test.feed(state.as_mut(), 0, test.rows.len());
        let mut saved = state.save().unwrap();
        for (at, byte) in damage {
            let at = at.index(saved.len());
            saved[at] ^= byte;
        }
        saved.truncate(end.map_or(saved.len(), |end| end.index(saved.len() + 1)));
        if let Ok(mut other) = restored(text, &profile, &saved) {
            let _ = other.figures();
            let _ = other.merge(state);
            let _ = other.figures();
        }
    }
}

/// Splits into batches and states, saved and restored in between, on one thread or several.
#[test]
fn no_split_and_no_thread_matters() {
    let (profile, test) = (clusters(400, &[5, 3], 3, 15), clusters(2300, &[5, 3], 4, 16));
    for text in ["lsa", "dsa", "mdsa", "lsc(n=50)", "dsc(n=50)", "mdsc(n=50, upper=7)"] {
        let mut whole = begin(text, &profile).unwrap();
        test.feed(whole.as_mut(), 0, 2300);
        let (expected, bytes) = (whole.figures(), whole.save().unwrap());
        assert!(expected.details["unknown_class"].as_u64() > Some(500), "the profile has no class 3");
        // As text, in which no number equals itself.
        let expected = format!("{expected:?}");
        let cuts = [0, 1, 64, 700, 1023, 1024, 1025, 1500, 2047, 2200, 2300];
        let with = |threads: usize, order: &[usize]| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut batched = begin(text, &profile).unwrap();
                let mut parts = Vec::new();
                for cut in cuts.windows(2) {
                    test.feed(batched.as_mut(), cut[0], cut[1]);
                    batched = restored(text, &profile, &batched.save().unwrap()).unwrap();
                    let mut part = begin(text, &profile).unwrap();
                    test.feed(part.as_mut(), cut[0], cut[1]);
                    parts.push(Some(restored(text, &profile, &part.save().unwrap()).unwrap()));
                }
                assert_eq!(format!("{:?}", batched.figures()), expected, "{text}");
                assert_eq!(batched.save().unwrap(), bytes, "{text}");
                let mut merged = begin(text, &profile).unwrap();
                for at in order {
                    merged.merge(parts[*at].take().unwrap()).unwrap();
                }
                assert_eq!(format!("{:?}", merged.figures()), expected, "{text}");
                assert_eq!(merged.save().unwrap(), bytes, "{text}");
            });
        };
        with(1, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        with(3, &[9, 3, 1, 0, 2, 8, 7, 4, 6, 5]);
    }
}

#[test]
fn only_what_is_needed_is_held() {
    let (profile, test) = (clusters(50, &[40], 2, 17), clusters(5000, &[40], 2, 18));
    let mut state = begin("dsa", &profile).unwrap();
    for from in (0..5000).step_by(100) {
        test.feed(state.as_mut(), from, from + 100);
        // Traces of at most 1,024 inputs, and what is known of all.
        assert!(state.save().unwrap().len() < 1024 * 40 * 4 + (from + 100) * 20, "{from}");
    }
}

#[test]
fn states_of_others_do_not_merge() {
    let (profile, other) = (clusters(40, &[3], 2, 19), clusters(40, &[3], 2, 20));
    let mut state = begin("dsa", &profile).unwrap();
    let refused = |error: crate::Error| error.to_string();
    assert_eq!(
        refused(state.merge(begin("dsa", &other).unwrap()).unwrap_err()),
        "a state of `dsa` cannot take in a state with the traces of another profile"
    );
    assert_eq!(
        refused(state.merge(begin("dsc", &profile).unwrap()).unwrap_err()),
        "a state of `dsa` cannot take in the state of another criterion or other parameters"
    );
    assert_eq!(refused(state.check().unwrap_err()), "`dsa` has seen no input");
    assert_eq!(
        refused(restored("dsa", &profile, &[1, 2, 3]).err().unwrap()),
        "the saved state is none of `dsa` on these layers"
    );
}
