package truth;

import org.apache.flink.table.functions.AggregateFunction;

public class Total extends AggregateFunction<Long, Total.Sum> {
    public static class Sum {
        public long sum;
    }

    @Override
    public Sum createAccumulator() {
        return new Sum();
    }

    @Override
    public Long getValue(Sum kept) {
        return kept.sum;
    }

    public void accumulate(Sum kept, Integer number) {
        kept.sum += number;
    }
}
