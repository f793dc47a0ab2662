CREATE TEMPORARY TABLE orders (
  shop INT,
  amount DECIMAL(9, 2),
  ts AS LOCALTIMESTAMP,
  WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH (
  'connector' = 'datagen',
  'rows-per-second' = '20',
  'fields.shop.min' = '1',
  'fields.shop.max' = '5',
  'fields.amount.min' = '1',
  'fields.amount.max' = '500'
);

-- files are committed with each checkpoint
CREATE TEMPORARY TABLE orders_per_minute (
  shop INT,
  `minute` TIMESTAMP(3),
  orders BIGINT,
  amount DECIMAL(38, 2)
) WITH (
  'connector' = 'filesystem',
  'path' = '${param.output}',
  'format' = 'csv'
);
