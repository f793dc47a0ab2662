"""What a change of a job means for its state, judged from two plans of the planner.

Read in this order: plantext, columns, schema, graph, meaning, operators, compare, unseen, judge.
"""
