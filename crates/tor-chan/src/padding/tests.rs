use proptest::prelude::*;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::*;
use crate::testing::start;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn padding(reduced: bool, params: PaddingParams) -> Padding {
    let mut padding = Padding::new(start(), true, reduced, params);
    padding.on_usage(Usage::Circuits);
    padding
}

/// Looks as often as it says it wants to until it is due; the silence before that.
fn silence(padding: &mut Padding, rng: &mut ChaCha8Rng) -> Duration {
    let since = padding.last_cell;
    loop {
        let look = padding.deadline().unwrap();
        if padding.is_due(look, true, rng) {
            return look - since;
        }
        assert!(padding.deadline().unwrap() > look, "it would spin");
    }
}

#[test]
fn silences_are_the_greater_of_two_draws() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut padding = padding(false, PaddingParams::default());
    let silences: Vec<_> = (0..4000).map(|_| silence(&mut padding, &mut rng)).collect();
    assert!(silences.iter().all(|silence| (ms(1500)..ms(9500)).contains(silence)));
    // padding-spec 2.3: for R = 8000, Exp[max(X,X)] is 5332.8.
    let mean = silences.iter().sum::<Duration>() / 4000;
    assert!((ms(6780)..ms(6890)).contains(&mean), "{mean:?}");
    assert!(*silences.iter().max().unwrap() > ms(9300));
}

#[test]
fn reduced_padding_has_a_range_of_its_own() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut padding = padding(true, PaddingParams::default());
    for _ in 0..500 {
        assert!((ms(9000)..ms(14_000)).contains(&silence(&mut padding, &mut rng)));
    }
}

#[test]
fn one_length_needs_no_draw() {
    let params = PaddingParams { ito_low: ms(3000), ito_high: ms(3000), ..PaddingParams::default() };
    let mut padding = padding(false, params);
    assert_eq!(silence(&mut padding, &mut ChaCha8Rng::seed_from_u64(1)), ms(3000));
}

#[test]
fn a_cell_starts_the_silence_anew() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut padding = padding(false, PaddingParams::default());
    for step in 1..200 {
        let now = start() + ms(step * 1400);
        assert!(!padding.is_due(now, true, &mut rng));
        padding.on_cell(now);
    }
    assert!(silence(&mut padding, &mut rng) >= ms(1500));
}

#[test]
fn while_cells_wait_there_is_no_padding() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut padding = padding(false, PaddingParams::default());
    for _ in 0..20 {
        let look = padding.deadline().unwrap();
        assert!(!padding.is_due(look, false, &mut rng));
        assert!(padding.deadline().unwrap() >= look + ms(1000), "it would spin");
    }
}

#[test]
fn only_channels_of_circuits_pad() {
    let wants = |usage, params: PaddingParams, on| {
        let mut padding = Padding::new(start(), on, false, params);
        padding.on_usage(usage);
        padding.on_usage(Usage::Directory);
        let wants = padding.deadline().is_some();
        assert_eq!(padding.is_due(start() + ms(60_000), true, &mut ChaCha8Rng::seed_from_u64(1)), wants);
        wants
    };
    let on = PaddingParams::default();
    assert!(!wants(Usage::Directory, on, true));
    assert!(wants(Usage::Circuits, on, true));
    assert!(wants(Usage::Traffic, on, true));
    assert!(!wants(Usage::Traffic, on, false));

    let late = PaddingParams { pad_before_usage: false, ..on };
    assert!(!wants(Usage::Circuits, late, true));
    assert!(wants(Usage::Traffic, late, true));

    let off = PaddingParams { ito_low: ms(0), ito_high: ms(0), ..on };
    assert!(!wants(Usage::Traffic, off, true));
    assert!(wants(Usage::Traffic, PaddingParams { ito_high: ms(1), ..off }, true));
}

#[test]
fn parameters_stay_within_their_bounds() {
    assert_eq!(PaddingParams::from_consensus(|_| None), PaddingParams::default());
    let params = PaddingParams::from_consensus(|name| match name {
        "nf_ito_low" => Some(70_000),
        "nf_ito_high" | "nf_ito_low_reduced" => Some(-5),
        "nf_ito_high_reduced" => Some(20_000),
        "nf_pad_before_usage" => Some(0),
        other => panic!("{other}"),
    });
    assert_eq!((params.ito_low, params.ito_high), (ms(60_000), ms(60_000)));
    assert_eq!((params.ito_low_reduced, params.ito_high_reduced), (ms(0), ms(20_000)));
    assert!(!params.pad_before_usage);
}

proptest! {
    /// Whatever the cells do, the link is never silent for longer than the most that was agreed on, if the
    /// timer is kept.
    #[test]
    fn no_silence_is_too_long(seed: u64, gaps in prop::collection::vec(0u64..20_000, 1..40)) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut padding = padding(false, PaddingParams::default());
        let (mut now, mut last) = (start(), start());
        for gap in gaps {
            let cell = now + ms(gap);
            while let Some(look) = padding.deadline().filter(|look| *look <= cell) {
                now = look.max(now);
                if padding.is_due(now, true, &mut rng) {
                    prop_assert!(now - last >= ms(1500));
                    prop_assert!(now - last <= ms(9500));
                    last = now;
                }
            }
            now = cell;
            padding.on_cell(now);
            prop_assert!(now - last <= ms(9500));
            last = now;
        }
    }

    #[test]
    fn draws_are_below_their_bound(seed: u64, bound in 1u32..) {
        prop_assert!(below(bound, &mut ChaCha8Rng::seed_from_u64(seed)) < bound);
    }
}
