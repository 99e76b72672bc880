import { render, screen, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { Tooltip } from 'radix-ui'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { StudyTable } from '@/components/studies/StudyTable'
import { aJob, aStudy } from '@/lib/samples'
import type { Study } from '@/lib/types'

const actions = { onOpen: vi.fn(), onOpenInOhif: vi.fn(), onTurn: vi.fn() }

function table(studies: Study[], listKey = 'first') {
  return (
    <Tooltip.Provider>
      <StudyTable studies={studies} listKey={listKey} {...actions} />
    </Tooltip.Provider>
  )
}

const studies = ['1.1', '1.2', '1.3'].map((uid) => aStudy({ study_instance_uid: uid, patient_name: `Name^${uid}` }))
const rowOf = (uid: string) => document.querySelector<HTMLElement>(`[data-study-row="${uid}"]`) as HTMLElement

describe('the study table', () => {
  beforeEach(() => Object.values(actions).forEach((action) => action.mockReset()))

  it('is walked and opened by keys alone', async () => {
    const user = userEvent.setup()
    render(table(studies))
    await user.tab()
    expect(document.activeElement).toBe(rowOf('1.1'))
    await user.keyboard('{ArrowDown}{ArrowDown}{ArrowDown}')
    expect(document.activeElement).toBe(rowOf('1.3'))
    await user.keyboard('{ArrowUp}{Enter}o{ArrowRight}')
    expect(actions.onOpen).toHaveBeenCalledWith('1.2')
    expect(actions.onOpenInOhif).toHaveBeenCalledWith('1.2')
    expect(actions.onTurn).toHaveBeenCalledWith(1)
  })

  it('keeps the chosen study chosen when another arrives above it', async () => {
    const user = userEvent.setup()
    const view = render(table(studies))
    await user.tab()
    await user.keyboard('{ArrowDown}')
    view.rerender(table([aStudy({ study_instance_uid: '1.9' }), ...studies]))
    expect(rowOf('1.2').getAttribute('aria-selected')).toBe('true')
    await user.keyboard('{Enter}')
    expect(actions.onOpen).toHaveBeenCalledWith('1.2')
  })

  it('lights up what arrives, and neither the first rows nor those of another page', () => {
    const lit = () => [...document.querySelectorAll('tr.animate-arrive')].map((row) => row.getAttribute('data-study-row'))
    const view = render(table(studies))
    expect(lit()).toEqual([])
    view.rerender(table([aStudy({ study_instance_uid: '1.9' }), ...studies]))
    expect(lit()).toEqual(['1.9'])
    view.rerender(table([aStudy({ study_instance_uid: '1.5' })], 'second'))
    expect(lit()).toEqual([])
  })

  it('shows what a hostile sender wrote as text', () => {
    const name = '<script>alert(1)</script>^\u202eevil'
    render(table([aStudy({ patient_name: name, study_description: '"><img src=x onerror=alert(1)>' })]))
    expect(document.querySelector('img, script')).toBeNull()
    expect(screen.getByText('<script>alert(1)</script>, \ufffdevil')).toBeTruthy()
  })

  it('shows what a model made of each study', () => {
    render(
      table([
        aStudy({ study_instance_uid: '1.1', analysis: aJob({ label: 'running', progress: 41 }) }),
        aStudy({ study_instance_uid: '1.2', analysis: aJob({ label: 'failed', reason: 'The slices are uneven.' }) }),
        aStudy({
          study_instance_uid: '1.3',
          analysis: aJob({ label: 'complete', measurements: [{ name: 'Brain volume', value: 1234.567, unit: 'ml' }] }),
        }),
      ]),
    )
    expect(within(rowOf('1.1')).getByRole('progressbar').getAttribute('aria-valuenow')).toBe('41')
    expect(rowOf('1.2').textContent).toContain('Failed: The slices are uneven.')
    expect(rowOf('1.3').textContent).toContain('1,235 ml Brain volume')
  })
})
