//! Circuits of controllers.

use super::*;
use crate::Purpose;

fn manager(net: &Net) -> CircMgr<Net> {
    CircMgr::new(net.clone(), Timing { predict: false, ..Timing::default() })
}

#[tokio::test(start_paused = true)]
async fn a_controller_s_circuit_is_its_own_until_it_is_given_away() {
    let net = friendly(1);
    let manager = manager(&net);
    drive(&manager, async {
        let number = manager.launch_any(Purpose::Controller).unwrap();
        sleep(seconds(5)).await;
        let own = net.open()[0].serial;
        let stream = open(&manager, 1).await.unwrap();
        assert_ne!(stream.circuit.serial, own);
        // Nobody has used it, but its controller may want to.
        sleep(seconds(3700)).await;
        assert!(net.open().iter().any(|circuit| circuit.serial == own));
        assert!(manager.set_purpose(number, Purpose::General));
        assert_eq!(open(&manager, 2).await.unwrap().circuit.serial, own);
    })
    .await;
    net.assert_isolated();
}

#[tokio::test(start_paused = true)]
async fn a_circuit_on_which_a_controller_mixed_streams_is_nobody_s() {
    let net = friendly(1);
    let manager = manager(&net);
    drive(&manager, async {
        let number = manager.launch_any(Purpose::Controller).unwrap();
        sleep(seconds(5)).await;
        let own = net.open()[0].serial;
        manager.attached(number, &key(1));
        manager.attached(number, &key(2));
        manager.set_purpose(number, Purpose::General);
        for user in [1, 2, 3] {
            assert_ne!(open(&manager, user).await.unwrap().circuit.serial, own);
        }
        // It has been used, so it grows old.
        sleep(seconds(700)).await;
        assert!(!net.open().iter().any(|circuit| circuit.serial == own));
    })
    .await;
    net.assert_isolated();
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_grows_is_left_alone() {
    let net = friendly(1);
    let manager = manager(&net);
    drive(&manager, async {
        let number = manager.launch_any(Purpose::General).unwrap();
        sleep(seconds(5)).await;
        let own = net.open()[0].serial;
        let path = manager.grow(number).unwrap();
        assert_ne!(open(&manager, 1).await.unwrap().circuit.serial, own);
        manager.has_grown(number, path);
        assert_eq!(open(&manager, 2).await.unwrap().circuit.serial, own);
        manager.close_all();
        assert_eq!(manager.launch_any(Purpose::General), Err(ConnectError::Shutdown));
    })
    .await;
}
