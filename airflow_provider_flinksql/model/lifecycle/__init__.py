"""What is to be done now, and what is on record after it.

Read in this order: steps, situation, plan, streaming, batch, carry, losing, prove, rollback, after.
"""
