package truth;

import org.apache.flink.table.functions.AggregateFunction;

public class Mean extends AggregateFunction<Long, Mean.Kept> {
    public static class Kept {
        public long sum;
        public long count;
    }

    @Override
    public Kept createAccumulator() {
        return new Kept();
    }

    @Override
    public Long getValue(Kept kept) {
        return kept.count == 0 ? null : Long.valueOf(kept.sum / kept.count);
    }

    public void accumulate(Kept kept, Integer number) {
        kept.sum += number;
        kept.count += 1;
    }
}
