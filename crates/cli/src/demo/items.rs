//! The items of the shop, as `DynamoDB` JSON: nested, with sets, decimals and binary, and not all with the same attributes.

use serde_json::{Value, json};

const FIRST: [&str; 10] = ["Ada", "Chiara", "Deniz", "Emil", "Fatima", "Grace", "Hiro", "Ines", "Jan", "Karim"];
const LAST: [&str; 8] = ["Abebe", "Berger", "Costa", "Díaz", "Eriksen", "Fischer", "Gupta", "Hopper"];
const CITIES: [(&str, &str, &str, &str); 5] = [
    ("Berlin", "DE", "52.5200", "13.4050"),
    ("Lisboa", "PT", "38.7223", "-9.1393"),
    ("København", "DK", "55.6761", "12.5683"),
    ("Nairobi", "KE", "-1.2921", "36.8219"),
    ("Kyoto", "JP", "35.0116", "135.7681"),
];
const GOODS: [(&str, u64); 6] =
    [("teapot", 3490), ("lamp", 12_900), ("notebook", 450), ("chair", 24_995), ("mug", 1199), ("poster", 1850)];

/// A sequence of numbers that is the same in every run: a demonstration needs variety, not surprise.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// Returns a number below `limit`, which is not 0 (xorshift).
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.index(of.len())]
    }

    /// Returns an index into something of this length, which is not 0.
    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }
}

/// Returns cents as a decimal number.
pub(super) fn money(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

pub(super) fn customer(number: u64, random: &mut Random) -> Value {
    let (first, last) = (*random.pick(&FIRST), *random.pick(&LAST));
    let (city, country, latitude, longitude) = *random.pick(&CITIES);
    let mut item = json!({
        "customer_id": {"S": format!("c-{number:05}")},
        "name": {"S": format!("{first} {last}")},
        "address": {"M": {
            "street": {"S": format!("{} {}", random.pick(&["Main St", "Rua Nova", "Hauptstraße"]), 1 + random.below(99))},
            "city": {"S": city},
            "country": {"S": country},
            "location": {"M": {"latitude": {"N": latitude}, "longitude": {"N": longitude}}},
        }},
        "loyalty_points": {"N": random.below(5000).to_string()},
        "newsletter": {"BOOL": random.below(2) == 0},
    });
    // Not every item has every attribute.
    if random.below(3) > 0 {
        item["email"] = json!({"S": format!("{}.{number}@example.com", first.to_lowercase())});
    }
    if random.below(2) == 0 {
        item["tags"] = json!({"SS": [*random.pick(&["new", "regular"]), "web", *random.pick(&["press", "wholesale"])]});
    }
    if random.below(4) == 0 {
        item["lucky_numbers"] = json!({"NS": ["7", (8 + random.below(90)).to_string()]});
    }
    if random.below(4) == 0 {
        item["avatar"] = json!({"B": random.pick(&["3q2+7w==", "AAECAwQ=", "q80="])});
    }
    item
}

pub(super) fn order(number: u64, customer_id: &Value, random: &mut Random) -> Value {
    let mut total = 0;
    let lines: Vec<Value> = (0..=random.below(3))
        .map(|_| {
            let ((sku, price), quantity) = (*random.pick(&GOODS), 1 + random.below(3));
            total += price * quantity;
            json!({"M": {
                "sku": {"S": sku}, "quantity": {"N": quantity.to_string()}, "price": {"N": money(price)},
            }})
        })
        .collect();
    let mut item = json!({
        "customer_id": customer_id,
        "order_id": {"N": number.to_string()},
        "status": {"S": "placed"},
        "placed_at": {"N": (1_760_000_000 + number * 61).to_string()},
        "total": {"N": money(total)},
        "lines": {"L": lines},
    });
    if random.below(5) == 0 {
        item["gift"] = json!({"BOOL": true});
        item["message"] = json!({"S": *random.pick(&["Happy birthday!", "Für dich ♥", "Get well soon"])});
    }
    if random.below(6) == 0 {
        item["coupons"] = json!({"SS": [format!("SAVE{}", 5 * (1 + random.below(4)))]});
    }
    item
}
