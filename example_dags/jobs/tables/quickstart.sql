CREATE TEMPORARY TABLE numbers (n BIGINT) WITH (
  'connector' = 'datagen',
  'rows-per-second' = '20',
  'fields.n.kind' = 'sequence',
  'fields.n.start' = '1',
  'fields.n.end' = '20000'
);

-- files are committed with each checkpoint
CREATE TEMPORARY TABLE written (n BIGINT) WITH (
  'connector' = 'filesystem',
  'path' = '${param.output}',
  'format' = 'csv'
);
