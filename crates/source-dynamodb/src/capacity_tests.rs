use super::*;

use aws_sdk_dynamodb::types::BillingModeSummary;
use proptest::prelude::*;

fn table(mode: Option<BillingMode>, provisioned: i64, maximum: Option<i64>) -> TableDescription {
    TableDescription::builder()
        .set_billing_mode_summary(mode.map(|mode| BillingModeSummary::builder().billing_mode(mode).build()))
        .provisioned_throughput(ProvisionedThroughputDescription::builder().read_capacity_units(provisioned).build())
        .set_on_demand_throughput(
            maximum.map(|units| OnDemandThroughput::builder().max_read_request_units(units).build()),
        )
        .build()
}

fn share(share: f64) -> Config {
    Config { read_capacity_share: Some(share), ..Config::default() }
}

#[test]
fn a_share_is_of_what_the_table_has() {
    let limit = |config: &Config, table| limit(config, &table).map(f64::round);
    let on_demand = || Some(BillingMode::PayPerRequest);
    assert_eq!(limit(&share(0.5), table(None, 100, None)), Some(50.0));
    assert_eq!(limit(&share(0.5), table(Some(BillingMode::Provisioned), 100, Some(-1))), Some(50.0));
    assert_eq!(limit(&share(0.5), table(on_demand(), 0, None)), Some(5_000.0));
    assert_eq!(limit(&share(0.5), table(on_demand(), 0, Some(-1))), Some(5_000.0));
    assert_eq!(limit(&share(0.5), table(on_demand(), 0, Some(600))), Some(300.0));
    assert_eq!(limit(&share(0.01), table(None, 5, None)), Some(1.0), "it never stands still");
    assert_eq!(limit(&Config::default(), table(None, 5, None)), None);
    let both = Config { max_read_capacity: Some(20.0), ..share(0.5) };
    assert_eq!(limit(&both, table(None, 100, None)), Some(20.0));
    assert_eq!(limit(&both, table(None, 10, None)), Some(5.0));
}

#[test]
fn a_page_that_costs_more_than_a_second_is_paid_for_by_waiting() {
    let mut bucket = Bucket::new(10.0);
    assert_eq!(bucket.take(100.0, Duration::ZERO), Ok(()));
    assert_eq!(bucket.take(100.0, Duration::ZERO), Err(Duration::from_secs(10)));
    bucket.settle(100.0, 20.0);
    assert_eq!(bucket.take(100.0, Duration::ZERO), Err(Duration::from_secs(2)));
    assert_eq!(bucket.take(100.0, Duration::from_secs(2)), Ok(()));
}

#[test]
fn time_that_goes_back_fills_nothing() {
    let mut bucket = Bucket::new(10.0);
    bucket.take(10.0, Duration::from_secs(5)).unwrap();
    assert!(bucket.take(10.0, Duration::from_secs(1)).is_err());
    assert!(bucket.take(10.0, Duration::from_millis(5_500)).is_err());
    assert_eq!(bucket.take(10.0, Duration::from_secs(6)), Ok(()));
}

proptest! {
    /// Readers with pages of any cost: what was spent never exceeds one second's worth, plus the rate times the time, plus a page per
    /// reader; and whoever waits as long as told gets on.
    #[test]
    fn the_rate_holds_whatever_pages_cost(
        rate in 1.0..1_000.0f64,
        pages in proptest::collection::vec((0.5..300.0f64, 0u64..2_000), 1..200),
        readers in 1usize..10,
    ) {
        let mut bucket = Bucket::new(rate);
        let (mut now, mut spent, mut last) = (Duration::ZERO, 0.0, FIRST_PAGE);
        let mut open: std::collections::VecDeque<(f64, f64)> = std::collections::VecDeque::new();
        for (cost, pause) in pages {
            now += Duration::from_millis(pause);
            while let Err(wait) = bucket.take(last, now) {
                prop_assert!(wait >= Duration::from_millis(1));
                now += wait;
            }
            open.push_back((last, cost));
            if open.len() == readers {
                let (taken, cost) = open.pop_front().unwrap();
                bucket.settle(taken, cost);
                spent += cost;
                last = cost;
            }
            let in_flight = 300.0 * f64::from(u8::try_from(readers).unwrap());
            prop_assert!(spent <= rate + rate * now.as_secs_f64() + in_flight + 1e-6);
        }
    }
}

#[tokio::test]
async fn without_a_limit_nothing_waits() {
    let capacity = Capacity::new(None);
    for _ in 0..1_000 {
        let taken = capacity.take(Some(1e12)).await;
        capacity.settle(taken, Some(1e12));
    }
}
