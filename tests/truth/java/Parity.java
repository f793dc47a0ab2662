package truth;

import java.util.Collection;
import java.util.Collections;
import java.util.Set;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.LookupTableSource;
import org.apache.flink.table.connector.source.lookup.LookupFunctionProvider;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.functions.LookupFunction;

/** A table to look things up in: even or odd, from FIRST on. */
public class Parity implements DynamicTableSourceFactory {
    private static final ConfigOption<Integer> FIRST = ConfigOptions.key("first").intType().defaultValue(0);

    @Override
    public String factoryIdentifier() {
        return "parity";
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Collections.emptySet();
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Collections.singleton(FIRST);
    }

    @Override
    public DynamicTableSource createDynamicTableSource(Context context) {
        FactoryUtil.TableFactoryHelper helper = FactoryUtil.createTableFactoryHelper(this, context);
        helper.validate();
        return new Source(helper.getOptions().get(FIRST));
    }

    private static class Source implements LookupTableSource {
        private final int first;

        Source(int first) {
            this.first = first;
        }

        @Override
        public LookupRuntimeProvider getLookupRuntimeProvider(LookupContext context) {
            return LookupFunctionProvider.of(new Lookup(first));
        }

        @Override
        public DynamicTableSource copy() {
            return new Source(first);
        }

        @Override
        public String asSummaryString() {
            return "parity";
        }
    }

    public static class Lookup extends LookupFunction {
        private final int first;

        Lookup(int first) {
            this.first = first;
        }

        @Override
        public Collection<RowData> lookup(RowData key) {
            int number = key.getInt(0);
            return Collections.singletonList(GenericRowData.of(number, first + number % 2));
        }
    }
}
