//! MAPADDRESS pairs and MapAddress lines, then rewrites: none is endless, and what a rewrite led to leads nowhere else.
#![no_main]
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use tor_circmgr::address_map::{AddressMap, Uses, VirtualNet};

libfuzzer_sys::fuzz_target!(|input: (Vec<(String, String)>, Vec<String>, String)| {
    let mut map = AddressMap::new(VirtualNet::DEFAULT_V4, VirtualNet::DEFAULT_V6);
    let _wrong_lines = map.configure(input.1.iter().map(String::as_str));
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    input.0.iter().for_each(|(from, to)| drop(map.assign(from, to, &mut rng)));
    let uses = Uses { assigned: true, made_up: true, dns_v4: true, dns_v6: true };
    if let Some(to) = map.rewrite(&input.2, uses).filter(|to| !to.looped) {
        assert_eq!(map.rewrite(&to.address, uses), None);
    }
});
