package truth;

import org.apache.flink.table.functions.ScalarFunction;

public class More extends ScalarFunction {
    public Integer eval(Integer number) {
        return number + 100;
    }
}
