//! Batches, merging and saved states.

use proptest::prelude::*;

use super::brute_force::stream;
use super::*;

fn bytes(state: &dyn State) -> Vec<u8> {
    state.save().unwrap()
}

proptest! {
    #[test]
    fn batches_and_merging_leave_the_same_bytes(stream in stream(), size in 1usize..4, cut in 0usize..6) {
        let profile = stream.profile();
        let (all, cut) = (stream.inputs, cut.min(stream.inputs));
        for text in ALL.into_iter().chain(["cleanai::vv(inputs=[\"1\", \"0\"])"]) {
            let whole = stream.state(text, &profile, (0, all), all);
            let batches = stream.state(text, &profile, (0, all), size);
            prop_assert_eq!(bytes(whole.as_ref()), bytes(batches.as_ref()), "{} in batches of {}", text, size);
            let mut merged = stream.state(text, &profile, (0, cut), size);
            merged.merge(stream.state(text, &profile, (cut, all), size)).unwrap();
            prop_assert_eq!(bytes(whole.as_ref()), bytes(merged.as_ref()), "{} merged at {}", text, cut);
            prop_assert_eq!(whole.figures(), merged.figures());
        }
    }

    #[test]
    fn saved_states_go_on(stream in stream(), cut in 0usize..6) {
        let profile = stream.profile();
        let (all, cut) = (stream.inputs, cut.min(stream.inputs));
        let (infos, widths) = (stream.infos(), stream.widths());
        for text in ALL {
            let whole = stream.state(text, &profile, (0, all), all);
            let saved = bytes(stream.state(text, &profile, (0, cut), 2).as_ref());
            let mut restored = criterion(text).restore(start(&infos, &widths, &profile), &saved).unwrap();
            prop_assert_eq!(bytes(restored.as_ref()), saved);
            if cut < all {
                stream.feed(restored.as_mut(), cut, all);
            }
            prop_assert_eq!(bytes(whole.as_ref()), bytes(restored.as_ref()), "{} restored at {}", text, cut);
        }
    }

    #[test]
    fn damaged_states_are_refused_or_harmless(
        stream in stream(),
        which in 0..ALL.len(),
        (at, value) in (any::<proptest::sample::Index>(), any::<u8>()),
        (cut, seen) in (any::<proptest::sample::Index>(), 0usize..3),
    ) {
        let profile = stream.profile();
        let (infos, widths) = (stream.infos(), stream.widths());
        let text = ALL[which];
        let saved = bytes(stream.state(text, &profile, (0, seen.min(stream.inputs)), 2).as_ref());
        let criterion = criterion(text);
        prop_assert!(criterion.restore(start(&infos, &widths, &profile), &saved[..cut.index(saved.len())]).is_err());
        let mut longer = saved.clone();
        longer.push(0);
        prop_assert!(criterion.restore(start(&infos, &widths, &profile), &longer).is_err());
        let mut damaged = saved;
        let at = at.index(damaged.len());
        damaged[at] = value;
        if let Ok(mut state) = criterion.restore(start(&infos, &widths, &profile), &damaged) {
            // What is accepted must be usable.
            stream.feed(state.as_mut(), seen.min(stream.inputs - 1), stream.inputs);
            state.merge(stream.state(text, &profile, (0, stream.inputs), 2)).unwrap();
            let _ = (state.figures(), state.check());
        }
    }
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    let stream = Stream::of(&[&[&[1.0, 0.0]]]);
    let (infos, widths) = (stream.infos(), stream.widths());
    let restore = |text: &str, saved: Vec<u8>| criterion(text).restore(start(&infos, &widths, &[]), &saved).is_ok();
    // One layer: inputs, counts, the first input.
    let counts = |inputs: u64, covered: u64, first: Option<(u64, Vec<u64>, Option<f64>)>| {
        postcard::to_stdvec(&vec![(inputs, vec![covered], first)]).unwrap()
    };
    assert!(restore("cleanai::tc", counts(1, 1, Some((0, vec![1], None)))));
    assert!(!restore("cleanai::tc", counts(1, 3, Some((0, vec![1], None)))));
    assert!(!restore("cleanai::tc", counts(1, 1, None)));
    assert!(!restore("cleanai::tc", counts(0, 0, Some((0, vec![0], None)))));
    assert!(!restore("cleanai::tc", counts(u64::MAX, 0, Some((0, vec![0], None)))));
    assert!(!restore("cleanai::tc", counts(1, 1, Some((0, vec![1], Some(0.5))))));
    assert!(!restore("cleanai::nc", counts(1, 1, Some((0, vec![1], Some(f64::NAN))))));
}

#[test]
fn states_of_others_do_not_merge() {
    let stream = Stream::of(&[&[&[1.0, 0.0], &[1.0, 2.0]]]);
    let profile = stream.profile();
    let state = |text: &str| stream.state(text, &profile, (0, 2), 2);
    assert!(state("cleanai::tc").merge(state("cleanai::nc")).is_err());
    assert!(state("cleanai::tc").merge(state("cleanai::tc(threshold=0.5)")).is_err());
    assert!(state("cleanai::tc").merge(state("cleanai::sign")).is_err());
    let other = Stream::of(&[&[&[1.0], &[1.0]]]);
    assert!(state("cleanai::sign").merge(other.state("cleanai::sign", &[], (0, 2), 2)).is_err());
}
