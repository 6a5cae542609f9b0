//! The shop: two tables that are filled and then keep changing.

use std::time::Duration;

use commutator::{Error, ErrorKind, Result, TableName};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Embedded;
use super::items::{Random, customer, money, order};

const CUSTOMERS: &str = "customers";
const ORDERS: &str = "orders";
/// The pause between two changes: about eighty a second.
const PAUSE: Duration = Duration::from_millis(12);

/// A small shop whose `customers` and `orders` live in an embedded `DynamoDB`.
#[derive(Debug)]
pub struct Shop {
    dynamodb: Embedded,
    random: Random,
    customers: Vec<Value>,
    orders: Vec<Value>,
    next_order: u64,
}

impl Shop {
    /// The shop's tables.
    pub const TABLES: [&str; 2] = [CUSTOMERS, ORDERS];

    /// Opens a shop with so many customers and orders, at least one of each; then switches its tables' streams on.
    pub async fn open(customers: u32, orders: u32) -> Result<Self> {
        let dynamodb = Embedded::start().await?;
        let shop = tokio::task::spawn_blocking(move || Self::fill(dynamodb, customers.max(1), orders.max(1)));
        shop.await.map_err(|error| Error::new(ErrorKind::Unexpected, "The shop was not filled").with_source(error))?
    }

    fn fill(dynamodb: Embedded, customers: u32, orders: u32) -> Result<Self> {
        dynamodb.create_table(CUSTOMERS, &[("customer_id", "S")])?;
        dynamodb.create_table(ORDERS, &[("customer_id", "S"), ("order_id", "N")])?;
        let (random, next_order) = (Random::new(), 1001);
        let mut shop = Self { dynamodb, random, customers: Vec::new(), orders: Vec::new(), next_order };
        for _ in 0..customers {
            shop.new_customer()?;
        }
        for _ in 0..orders {
            shop.new_order()?;
        }
        Self::TABLES.into_iter().try_for_each(|table| shop.dynamodb.enable_stream(table))?;
        Ok(shop)
    }

    /// Returns the embedded `DynamoDB`.
    pub fn dynamodb(&self) -> &Embedded {
        &self.dynamodb
    }

    /// Returns how many items a table has now.
    pub fn items(&self, table: &TableName) -> usize {
        match table.as_str() {
            CUSTOMERS => self.customers.len(),
            ORDERS => self.orders.len(),
            _ => 0,
        }
    }

    /// Keeps changing both tables for so long, and returns the number of changes.
    pub async fn keep_changing(&mut self, time: Duration) -> Result<u64> {
        let (end, mut changes) = (Instant::now() + time, 0);
        while Instant::now() < end {
            self.change()?;
            changes += 1;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(changes)
    }

    /// Makes one change: an order moves on, is placed or cancelled, a customer comes or changes.
    pub fn change(&mut self) -> Result<()> {
        match self.random.below(100) {
            0..45 => self.move_order(),
            45..70 => self.new_order(),
            70..78 => self.cancel_order(),
            78..92 => self.change_customer(),
            _ => self.new_customer(),
        }
    }

    fn new_customer(&mut self) -> Result<()> {
        let item = customer(self.customers.len() as u64 + 1, &mut self.random);
        self.dynamodb.put(CUSTOMERS, &item)?;
        self.customers.push(item);
        Ok(())
    }

    fn change_customer(&mut self) -> Result<()> {
        let Self { dynamodb, random, customers, .. } = self;
        let index = random.index(customers.len());
        let item = &mut customers[index];
        item["loyalty_points"] = json!({"N": random.below(9000).to_string()});
        // An attribute that no item of the snapshot has: its column is added while the run goes on.
        item["lifetime_value"] = json!({"N": money(random.below(10_000_000))});
        dynamodb.put(CUSTOMERS, item)
    }

    fn new_order(&mut self) -> Result<()> {
        let customer = self.random.index(self.customers.len());
        let item = order(self.next_order, &self.customers[customer]["customer_id"], &mut self.random);
        self.next_order += 1;
        self.dynamodb.put(ORDERS, &item)?;
        self.orders.push(item);
        Ok(())
    }

    fn move_order(&mut self) -> Result<()> {
        let Self { dynamodb, random, orders, .. } = self;
        if orders.is_empty() {
            return Ok(());
        }
        // Only the newest ones move, so that some come all the way while one watches.
        let newest = orders.len().saturating_sub(60);
        let index = newest + random.index(orders.len() - newest);
        let item = &mut orders[index];
        let next = match item["status"]["S"].as_str() {
            Some("placed") => "paid",
            Some("paid") => "shipped",
            Some("shipped") => "delivered",
            _ => {
                // More digits after the point than any number before: the column is widened, not rounded.
                item["refund"] = json!({"N": format!("{}.{:04}", random.below(50), random.below(10_000))});
                "returned"
            }
        };
        item["status"] = json!({"S": next});
        dynamodb.put(ORDERS, item)
    }

    fn cancel_order(&mut self) -> Result<()> {
        if self.orders.is_empty() {
            return Ok(());
        }
        let index = self.random.index(self.orders.len());
        let item = self.orders.swap_remove(index);
        self.dynamodb.delete(ORDERS, &json!({"customer_id": item["customer_id"], "order_id": item["order_id"]}))
    }
}
